"""How batches are drawn, what scores them, and how long it goes on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convmae_mm.registry import type_name

from .detection import read_annotations
from .heads import Head, dicts
from .label_maps import IGNORED
from .report import Report
from .splits import Split


def evaluators(cfg: Any) -> Iterator[Mapping[str, Any]]:
    """The metrics of an evaluator's config."""
    for _, part in dicts(cfg, 'evaluator'):
        if 'type' in part:
            yield part


def scores(cfg: Any) -> bool:
    """Whether anything is scored, rather than only written down."""
    return cfg is None or any(
        not x.get('format_only') for x in evaluators(cfg)
    )


def scores_masks(cfg: Any) -> bool:
    """Whether instance masks are among what is scored."""
    return any('segm' in _names(x.get('metric')) for x in evaluators(cfg))


def _names(metric: Any) -> Sequence[str]:
    return [metric] if isinstance(metric, str) else list(metric or ())


def check_evaluator(
    split: Split,
    cfg: Any,
    heads: Sequence[Head],
    model: Any,
    report: Report,
) -> None:
    """Compare what is scored with the data and the model of the config."""
    part = split.name
    for metric in evaluators(cfg):
        file = metric.get('ann_file')
        if file and split.ann_files:
            _check_file(split, str(file), report)
        if 'segm' in _names(metric.get('metric')) and not _has_masks(model):
            boxes = [head for head in heads if 'bbox' in head.key]
            if boxes:
                report.add(
                    'metric-without-head',
                    part,
                    f'{part}_evaluator scores masks (segm), but the model '
                    'has no mask head',
                    f"set {part}_evaluator.metric=['bbox']",
                )
        if type_name(metric) == 'IoUMetric':
            _check_ignored(metric, part, heads, report)


def _has_masks(model: Any) -> bool:
    """Whether a part of a model is about masks, such as its ``loss_mask``."""
    if isinstance(model, Mapping):
        return any(
            ('mask' in str(key) and value is not None) or _has_masks(value)
            for key, value in model.items()
            if key not in ('train_cfg', 'test_cfg', 'data_preprocessor')
        )
    if isinstance(model, (list, tuple)):
        return any(map(_has_masks, model))
    return False


def _check_file(split: Split, file: str, report: Report) -> None:
    own = split.ann_files
    if any(os.path.abspath(file) == os.path.abspath(x) for x in own):
        return
    key = f'{split.name}_evaluator.ann_file'
    seen = [x for x in own if os.path.isfile(x)]
    if not os.path.isfile(file):
        report.add(
            'evaluator-file-missing',
            split.name,
            f'{key}={file!r} (= {os.path.abspath(file)}) does not exist',
            f'set {key}={own[0]!r}: it is not relative to data_root',
        )
    elif any(os.path.samefile(file, x) for x in seen):
        return
    else:
        data = read_annotations(Path(file), Path(), split.name, report)
        images = data.get('images') if isinstance(data, dict) else None
        ids = {x.get('id') for x in images or () if isinstance(x, dict)}
        if split.image_ids and ids != split.image_ids:
            report.add(
                'evaluator-file',
                split.name,
                f'{key}={file!r} has {len(ids):,} images, '
                f'{len(ids & split.image_ids):,} of them among the '
                f'{len(split.image_ids):,} of {own[0]}, which is read',
                f'set {key}={own[0]!r}',
            )


def _check_ignored(
    metric: Mapping[str, Any],
    part: str,
    heads: Sequence[Head],
    report: Report,
) -> None:
    stated = metric.get('ignore_index', IGNORED)
    trained = {x.cfg.get('ignore_index', IGNORED) for x in heads
               if not x.key.endswith('data_preprocessor')}  # fmt: skip
    if trained and stated not in trained:
        label = next(iter(trained))
        report.add(
            'evaluator-ignores',
            part,
            f'{part}_evaluator.ignore_index={stated}, but the model ignores '
            f'{label}',
            f'set {part}_evaluator.ignore_index={label}',
        )


def compare_splits(train: Split, other: Split, report: Report) -> None:
    """Compare what is scored with what is learned."""
    part = other.name
    if train.folders and other.folders and train.folders != other.folders:
        lacking = [x for x in train.folders if x not in other.folders]
        extra = [x for x in other.folders if x not in train.folders]
        report.add(
            'class-folders',
            part,
            f'its class folders are not those of train: {lacking or "none"} '
            f'missing, {extra or "none"} more; labels are numbered by the '
            'folders, so that others would be meant',
            'make an empty folder for each class that is missing, and move '
            'what is more elsewhere',
        )
    elif train.classes and other.classes and train.classes != other.classes:
        report.add(
            'classes-differ',
            part,
            f'its classes {other.classes} are not those of train, '
            f'{train.classes}',
            'give both the same metainfo.classes, in the same order',
        )
    shared = set(map(os.path.realpath, train.paths)) & set(
        map(os.path.realpath, other.paths)
    ) - {os.path.realpath('')}
    report.add(
        'split-overlap',
        part,
        f'{{count}} of {len(other.paths):,} pictures are in train too: the '
        'scores will say little about new pictures',
        'draw them from others',
        sorted(shared),
        severity='warning',
    )


def check_batches(split: Split, world_size: int, report: Report) -> None:
    """Note batches that are never full and samplers that never end."""
    loader = split.loader
    batch = loader.get('batch_size')
    sampler = type_name(loader.get('sampler'))
    drops = loader.get('drop_last', False)
    key = f'{split.name}_dataloader'
    if loader.get('shuffle') and loader.get('sampler') is not None:
        report.add(
            'loader-shuffle',
            split.name,
            f'{key}.shuffle={loader["shuffle"]} does nothing beside a sampler',
            f'set {key}.sampler.shuffle instead',
        )
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        report.add(
            'batch-size',
            split.name,
            f'{key}.batch_size={batch!r} must be a whole number from 1 on',
            'set it to how many pictures the memory takes',
        )
        return
    endless = sampler.endswith('InfiniteSampler')
    if endless and split.name != 'train':
        report.add(
            'sampler-endless',
            split.name,
            f'{key}.sampler is {sampler}: it never ends',
            "set type='DefaultSampler', shuffle=False",
        )
    if not split.length or not isinstance(batch, int) or endless:
        return
    each = math.ceil(split.length / world_size)
    if drops and each < batch:
        report.add(
            'no-batch',
            split.name,
            f'{key} has {split.length:,} pictures for {world_size} '
            f'process(es), fewer than batch_size={batch}, and '
            'drop_last=True leaves out what fills no batch: nothing is left',
            f'set {key}.batch_size={each} or {key}.drop_last=False',
        )
    shuffle = (loader.get('sampler') or {}).get('shuffle', True)
    if split.name == 'train' and shuffle is False and each > batch:
        report.add(
            'not-shuffled',
            split.name,
            f'{key}.sampler.shuffle=False: every epoch has the same batches',
            f'set {key}.sampler.shuffle=True',
            severity='warning',
        )
