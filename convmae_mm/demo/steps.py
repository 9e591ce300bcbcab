"""The demo as a list of named steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from convmae_mm.shipped import find_config

from .settings import DemoSettings

DATA_ROOT = 'data/digit_scenes'


@dataclass(frozen=True)
class Training:
    """A training step and the config it runs.

    Attributes:
        name: Of the step and of its folder.
        title: For people.
        config: File name in ``configs/quickstart``.
        encoder: Where the encoder starts: the name of the step that pretrains
            it, 'scratch', or None if this is the step that pretrains.
    """

    name: str
    title: str
    config: str
    encoder: str | None = None


DETECTOR_CONFIG = 'mask-rcnn_convmae-tiny_fpn_digit-scenes.py'
SEGMENTOR_CONFIG = 'upernet_convmae-tiny_digit-scenes.py'

PRETRAIN = Training(
    'pretrain',
    'Pretrain the encoder without labels',
    'convmae-tiny_pretrain_digit-scenes.py',
)
DETECTOR = Training(
    'detector',
    'Mask R-CNN from the pretrained encoder',
    DETECTOR_CONFIG,
    encoder=PRETRAIN.name,
)
DETECTOR_SCRATCH = Training(
    'detector_scratch',
    'Mask R-CNN from scratch',
    DETECTOR_CONFIG,
    encoder='scratch',
)
SEGMENTOR = Training(
    'segmentor',
    'UperNet from the pretrained encoder',
    SEGMENTOR_CONFIG,
    encoder=PRETRAIN.name,
)
SEGMENTOR_SCRATCH = Training(
    'segmentor_scratch',
    'UperNet from scratch',
    SEGMENTOR_CONFIG,
    encoder='scratch',
)
TRAININGS = (
    PRETRAIN,
    DETECTOR,
    DETECTOR_SCRATCH,
    SEGMENTOR,
    SEGMENTOR_SCRATCH,
)


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    Attributes:
        name: Of the step.
        title: For people.
        arguments: Of ``convmae-mm``, run in the demo's folder.
        folder: All that the step writes, relative to the demo's folder; None
            if it never needs to start over.
        needs: Names of the steps whose results it uses.
        made_from: Everything else that decides its result.
        config: The resolved config of a training.
        count_done: How much of how much is done, for a command that does not
            tell; takes the demo's folder.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    folder: str | None = None
    needs: tuple[str, ...] = ()
    made_from: str = ''
    config: Config | None = None
    count_done: Callable[[Path], tuple[int, int]] | None = None

    @property
    def max_epochs(self) -> int:
        assert self.config is not None
        return self.config.train_cfg.max_epochs


def build_steps(settings: DemoSettings) -> list[Step]:
    """All steps in the order they run; the report comes last."""
    steps = [_data_step(settings)]
    for training in TRAININGS:
        steps.append(_training_step(training, settings, steps))
    steps.append(
        Step(
            name='report',
            title='Write the report',
            arguments=('demo', '--work-dir', '.', '--report-only'),
            needs=tuple(step.name for step in steps),
        )
    )
    return steps


def _data_step(settings: DemoSettings) -> Step:
    total = settings.train_scenes + settings.val_scenes

    def count_images(folder: Path) -> tuple[int, int]:
        images = (folder / DATA_ROOT / 'images').glob('*/*.jpg')
        return sum(1 for _ in images), total

    arguments = ['digit-scenes', '--out', DATA_ROOT, '--overwrite']
    numbers = {
        '--train': settings.train_scenes,
        '--val': settings.val_scenes,
        '--seed': settings.seed,
    }
    for option, number in numbers.items():
        arguments += [option, str(number)]
    return Step(
        name='data',
        title='Generate DigitScenes',
        arguments=tuple(arguments),
        count_done=count_images,
    )


def _training_step(
    training: Training, settings: DemoSettings, earlier: list[Step]
) -> Step:
    config_file = find_config(f'quickstart/{training.config}')
    options: dict[str, str | int] = {}
    if settings.max_epochs is not None:
        options['train_cfg.max_epochs'] = settings.max_epochs
        options['param_scheduler.1.end'] = settings.max_epochs
    needs = ['data']
    if training.encoder == 'scratch':
        options['model.backbone.init_cfg'] = 'None'
    elif training.encoder is not None:
        needs.append(training.encoder)
        pretraining = next(s for s in earlier if s.name == training.encoder)
        options['model.backbone.init_cfg.checkpoint'] = (
            f'{pretraining.folder}/epoch_{pretraining.max_epochs}.pth'
        )
    arguments = ['train', str(config_file), '--work-dir', training.name]
    arguments += ['--seed', str(settings.seed)]
    if options:
        arguments.append('--cfg-options')
        arguments += [f'{key}={value}' for key, value in options.items()]
    config = Config.fromfile(config_file)
    if settings.max_epochs is not None:
        config.train_cfg.max_epochs = settings.max_epochs
    return Step(
        name=training.name,
        title=training.title,
        arguments=tuple(arguments),
        folder=training.name,
        needs=tuple(needs),
        made_from=config.pretty_text,
        config=config,
    )
