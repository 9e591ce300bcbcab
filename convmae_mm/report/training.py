"""Read what a training logged, and look at what its network does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, DefaultScope

from convmae_mm.apis.load import load
from convmae_mm.apis.loaded_model import LoadedModel, chunked
from convmae_mm.apis.progress import follow
from convmae_mm.errors import ConfigError
from convmae_mm.predict.drawing import (
    draw_label_map,
    draw_objects,
    enlarge,
    enlarge_objects,
    label_colours,
)
from convmae_mm.predict.objects import from_sample
from convmae_mm.predict.run import label_map
from convmae_mm.predict.writers import SHOWN_SCORE, name_of

from .figures import THEMES, Panel, plot_confusion, plot_panels
from .measures import MEASURES, ClassTable, LabelMeasure, Measure, true_objects
from .reconstruction import COLUMNS, reconstruct
from .scalars import Curve, read_curve, read_validations

SHOWN = 3  # pictures that went best, and worst
# Scores that say most, in this order, and what a perfect one is.
MAIN_SCORES = {
    'coco/bbox_mAP': 1.0,
    'coco/segm_mAP': 1.0,
    'mIoU': 100.0,
    'aAcc': 100.0,
    'accuracy/top1': 100.0,
}
SCORE_NAMES = {
    'coco/bbox_mAP': 'box AP',
    'coco/bbox_mAP_50': 'box AP at IoU 0.5',
    'coco/segm_mAP': 'mask AP',
    'coco/segm_mAP_50': 'mask AP at IoU 0.5',
    'mIoU': 'mean IoU',
    'aAcc': 'pixel accuracy',
    'accuracy/top1': 'accuracy',
}


@dataclass(frozen=True)
class Plot:
    """A plot for both kinds of page, as PNG by theme."""

    title: str
    images: dict[str, bytes]


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side: a row for each, a column per point of view.

    Attributes:
        title: Heading.
        note: What is shown, in a sentence.
        columns: Headings of the columns.
        rows: The pictures.
        captions: Below each row.
    """

    title: str
    note: str
    columns: list[str]
    rows: list[list[np.ndarray]]
    captions: list[str]


@dataclass
class TrainingReport:
    """What came of a training.

    Attributes:
        title: Name of the training.
        task: See :func:`convmae_mm.apis.loaded_model.task_of`.
        facts: What it was, by name.
        scores: By name, as ``convmae-mm test`` gives them.
        table: Scores of each class, None without labels.
        plots: Curves, and which classes are taken for which.
        galleries: The best and the worst pictures, or reconstructions.
    """

    title: str
    task: str
    facts: list[tuple[str, str]]
    scores: dict[str, float] = field(default_factory=dict)
    table: ClassTable | None = None
    plots: list[Plot] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)

    @property
    def main_scores(self) -> list[tuple[str, float]]:
        """Those that say most, between 0 and 1."""
        return [
            (SCORE_NAMES[name], self.scores[name] / scale)
            for name, scale in MAIN_SCORES.items()
            if name in self.scores
        ]


def report_on(
    source: str | PathLike,
    *,
    config: str | PathLike | None = None,
    device: str | None = None,
) -> TrainingReport:
    """Collect the report on a training.

    Args:
        source: Its folder, a run, or a checkpoint in the folder.
        config: The config, where it is not in the checkpoint.
        device: Where to predict; by default a GPU if there is one.

    Raises:
        FileNotFoundError: If the checkpoint, or data to test on, is missing.
        ConfigError: If the network is none that a training makes.
    """
    model = load(source, config=config, device=device)
    folder = model.path.parent
    report = TrainingReport(
        title=folder.name or model.path.stem,
        task=model.task,
        facts=[
            ('Checkpoint', str(model.path)),
            ('Network', type(model.model).__name__),
            ('Parameters', f'{_count(model.model) / 1e6:.2f} million'),
        ],
    )
    panels = curve_panels(folder)
    if panels:
        report.plots.append(
            Plot(
                'Curves',
                {theme.name: plot_panels(panels, theme) for theme in THEMES},
            )
        )
    if model.task == 'pretraining':
        report.galleries.append(_reconstructions(model))
    elif model.task in MEASURES:
        _score(model, report)
    else:
        raise ConfigError(
            f'{model.path} is a {model.task} network, not one of a training'
        )
    report.facts.append(
        ('Written', datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z'))
    )
    return report


def curve_panels(folder: Path) -> list[Panel]:
    """The loss and the main scores of a training, as far as they are logged.

    Args:
        folder: mmengine's work directory.
    """
    panels = []
    try:
        panels.append(Panel('Training', {'loss': read_curve(folder)}))
    except FileNotFoundError:
        return []
    validations = read_validations(folder)
    named = [
        (SCORE_NAMES[name], _scaled(validations[name], 1 / scale))
        for name, scale in MAIN_SCORES.items()
        if name in validations
    ]
    if named:
        panels.append(
            Panel(
                'Validation',
                dict(named[:2]),
                ylabel='score',
                smooth=False,
                xlabel='epoch or iteration',
            )
        )
    return panels


def _score(model: LoadedModel, report: TrainingReport) -> None:
    cfg = model.cfg
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    evaluators = cfg.get('test_evaluator') or cfg.get('val_evaluator')
    if loader is None or evaluators is None:
        raise ConfigError(
            f'the config of {model.path} has no test data to report on: '
            'neither test_dataloader with test_evaluator nor val_...'
        )
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        dataset = DATASETS.build(dict(loader['dataset']))
        evaluator = Evaluator(evaluators)
        evaluator.dataset_meta = dataset.metainfo
        names = [str(x) for x in dataset.metainfo.get('classes') or ()]
        measure = MEASURES[model.task](names or list(model.classes))
        if isinstance(measure, LabelMeasure):
            measure.ignored = dataset.ignore_index
        qualities: list[float] = []
        numbers = follow(range(len(dataset)), len(dataset), 'report')
        for batch in chunked(numbers, model.batch_size):
            data = pseudo_collate([dataset[i] for i in batch])
            with torch.no_grad():
                samples = model.model.test_step(data)
            samples = [sample.cpu() for sample in samples]
            evaluator.process(data_samples=samples, data_batch=data)
            for i, sample in zip(batch, samples, strict=True):
                info = dataset.get_data_info(i)
                qualities.append(measure.add(sample, info))
        with redirect_stdout(StringIO()):
            report.scores = evaluator.evaluate(len(dataset))
        order = np.argsort(qualities, kind='stable').tolist()
        report.facts.append(('Tested on', f'{len(dataset)} pictures'))
        worst = order[:SHOWN]
        best = [i for i in reversed(order[-SHOWN:]) if i not in worst]
        for title, chosen in (('Best', best), ('Worst', worst)):
            if chosen:
                report.galleries.append(
                    _gallery(model, dataset, title, chosen, qualities)
                )
    _describe(report, measure)


def _describe(report: TrainingReport, measure: Measure) -> None:
    report.table = measure.by_class()
    confusion = measure.confusion()
    report.plots.append(
        Plot(
            'Which classes are taken for which',
            {
                theme.name: plot_confusion(
                    confusion.names, confusion.counts, theme
                )
                for theme in THEMES
            },
        )
    )


_VIEWS = {
    'detector': (
        ['Truth', 'Found'],
        f'Objects with a score of at least {SHOWN_SCORE}; pictures ranked by '
        'F1 at IoU 0.5.',
    ),
    'segmentor': (
        ['Picture', 'Truth', 'Found'],
        'Pictures ranked by the mean IoU of the classes in them.',
    ),
    'classifier': (
        ['Picture'],
        'Pictures ranked by the score of their true class.',
    ),
}


def _gallery(
    model: LoadedModel,
    dataset: Any,
    title: str,
    chosen: Sequence[int],
    qualities: Sequence[float],
) -> Gallery:
    columns, note = _VIEWS[model.task]
    rows, captions = [], []
    for index in chosen:
        info = dataset.get_data_info(index)
        data = pseudo_collate([dataset[index]])
        with torch.no_grad():
            sample = model.model.test_step(data)[0].cpu()
        read = model.read(info['img_path'])
        rows.append(_row(model, model.show(read), sample, info))
        caption = f'{Path(info["img_path"]).name}: {qualities[index]:.3f}'
        if model.task == 'classifier':
            label = int(sample.pred_score.argmax())
            caption += (
                f', is {name_of(model.classes, int(sample.gt_label))}, found '
                f'{name_of(model.classes, label)}'
            )
        captions.append(caption)
    return Gallery(title, note, columns, rows, captions)


def _row(
    model: LoadedModel, shown: np.ndarray, sample: Any, info: Mapping[str, Any]
) -> list[np.ndarray]:
    large = enlarge(shown)
    if model.task == 'classifier':
        return [large]
    if model.task == 'detector':
        size = (shown.shape[0], shown.shape[1])
        truth = true_objects(info, size)
        found = from_sample(sample).at_least(SHOWN_SCORE)
        return [
            draw_objects(
                large,
                enlarge_objects(objects, size),
                model.classes,
                model.palette,
                with_scores=scored,
            )
            for objects, scored in ((truth, False), (found, True))
        ]
    palette = model.palette or label_colours(len(model.classes))
    truth_map = sample.gt_sem_seg.data[0].numpy()
    return [
        large,
        *(
            enlarge(draw_label_map(shown, labels, palette))
            for labels in (truth_map, label_map(sample))
        ),
    ]


def _reconstructions(model: LoadedModel) -> Gallery:
    with DefaultScope.overwrite_default_scope(model.cfg.get('default_scope')):
        dataset = DATASETS.build(dict(model.cfg.train_dataloader['dataset']))
    count = min(2 * SHOWN, len(dataset))
    paths = [
        dataset.get_data_info(i * len(dataset) // count)['img_path']
        for i in range(count)
    ]
    rows: list[list[np.ndarray]] = []
    for batch in chunked(paths, model.batch_size):
        rows += reconstruct(model, [model.read(path) for path in batch])
    return Gallery(
        'Reconstructions',
        'Pictures of the training, spread evenly over it. The brightness and '
        'the contrast of each patch are those of the original where the '
        'network learns patches without them.',
        COLUMNS,
        rows,
        [Path(path).name for path in paths],
    )


def _scaled(curve: Curve, factor: float) -> Curve:
    return Curve(curve.steps, [x * factor for x in curve.values])


def _count(model: torch.nn.Module) -> int:
    parameters: Iterable[torch.nn.Parameter] = model.parameters()
    return sum(x.numel() for x in parameters)
