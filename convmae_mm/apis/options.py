"""The options of training and testing, stated once.

The functions of the API take them by name, and the commands have an argument
for each, made from it (``convmae_mm/cli/_options.py``).
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from convmae_mm.errors import ConfigError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
# Where curves may go -> mmengine's name for it.
LOGS = {
    'tensorboard': 'TensorboardVisBackend',
    'wandb': 'WandbVisBackend',
    'mlflow': 'MLflowVisBackend',
}
LOG_HELP = 'tell the curves to this too, besides the files of the run'
OUT_SUFFIXES = ('.json', '.pkl')


class Overrides(DictAction):
    """``KEY=VALUE ...`` as a dict; what has no such form is a usage error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        for text in values:
            try:
                super().__call__(parser, namespace, [text], option_string)
            except (ValueError, AssertionError) as error:
                raise argparse.ArgumentError(
                    self, f'{text!r} is no KEY=VALUE: {error}'
                ) from None

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """A dict too, which mmengine cuts at its commas into a list."""
        if not val.startswith('{'):
            return DictAction._parse_iterable(val)
        try:
            return ast.literal_eval(val)
        except SyntaxError as error:
            raise ValueError(f'no dict: {error.msg}') from None


def option(default: Any, text: str, **how: Any) -> Any:
    """A field with its help, and what argparse wants to know beside it."""
    return field(default=default, metadata={'help': text, **how})


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What training and testing have in common."""

    work_dir: str | Path | None = option(
        None,
        "for logs and checkpoints (default: the config's own work_dir, else "
        'work_dirs/NAME_OF_CONFIG)',
        metavar='DIR',
    )
    launcher: str = option(
        'none',
        'how several processes were started; pytorch means torchrun',
        choices=LAUNCHERS,
    )
    cfg_options: Mapping[str, Any] | None = option(
        None,
        'settings that replace those of the config, such as '
        'train_dataloader.batch_size=4 or model.backbone.init_cfg=None',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
    )
    check: bool = option(
        True,
        'start without the examination of data, classes and schedule',
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """Options of :func:`convmae_mm.apis.train`."""

    resume: str | Path | None = option(
        None,
        'continue from a checkpoint; without FILE (in Python: "auto") from '
        'the latest whole one in the work directory, or from the start if '
        'there is none',
        nargs='?',
        const='auto',
        metavar='FILE',
    )
    amp: bool | None = option(
        None,
        'train in mixed precision or not (default: as the config says); '
        'without a GPU that is bfloat16',
        action=argparse.BooleanOptionalAction,
    )
    validate: bool = option(True, "leave out the config's validation")
    auto_scale_lr: bool = option(
        False,
        "scale the learning rate from the config's auto_scale_lr."
        'base_batch_size to the actual batch size, which counts processes '
        'and gradient accumulation',
    )
    seed: int | None = option(
        None, "instead of the config's random seed", type=int
    )
    log: str | None = option(
        None,
        LOG_HELP,
        choices=tuple(LOGS),
    )


@dataclass(frozen=True, kw_only=True)
class TestingOptions(RunOptions):
    """Options of :func:`convmae_mm.apis.test`."""

    out: str | Path | None = option(
        None,
        'write the scores (.json) or all predictions (.pkl, in the form of '
        "mmengine's offline evaluation)",
        metavar='FILE',
    )
    show_dir: str | Path | None = option(
        None,
        'write every test image with its predictions drawn',
        metavar='DIR',
    )

    def __post_init__(self) -> None:
        """Refuse another suffix before hours of testing, not after.

        Raises:
            ConfigError: If ``out`` has another suffix.
        """
        if self.out and Path(self.out).suffix not in OUT_SUFFIXES:
            raise ConfigError(
                f'out={str(self.out)!r} must end in .json for the scores or '
                'in .pkl for the predictions'
            )
