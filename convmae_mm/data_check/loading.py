"""How batches are drawn, what scores them, and how long it goes on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convmae_mm.registry import dicts, type_name

from .class_folders import compare_folders
from .coco_file import read_annotations
from .heads import Head
from .label_maps import IGNORED
from .leaf import Split
from .report import Notes


def evaluators(cfg: Any) -> Iterator[Mapping[str, Any]]:
    """The metrics of an evaluator's config."""
    return (part for part in dicts(cfg) if 'type' in part)


def scores(cfg: Any) -> bool:
    """Whether anything is scored, rather than only written down."""
    return cfg is None or any(
        not x.get('format_only') for x in evaluators(cfg)
    )


def scores_masks(cfg: Any) -> bool:
    """Whether instance masks are among what is scored."""
    return any(map(_is_of_masks, evaluators(cfg)))


def _is_of_masks(metric: Mapping[str, Any]) -> bool:
    names = metric.get('metric') or ()
    return 'segm' in ([names] if isinstance(names, str) else names)


def check_evaluator(
    split: Split, cfg: Any, heads: Sequence[Head], model: Any, notes: Notes
) -> None:
    """Compare what is scored with the data and the model of the config."""
    key = f'{split.name}_evaluator'
    for metric in evaluators(cfg):
        file = metric.get('ann_file')
        if file and split.ann_files:
            _check_file(split, str(file), notes)
        if (
            _is_of_masks(metric)
            and not _has_masks(model)
            and any('bbox' in head.key for head in heads)
        ):
            notes.error(
                'metric-without-head',
                f'{key} scores masks (segm), but the model has no mask head',
                f"set {key}.metric=['bbox']",
            )
        stated = metric.get('ignore_index', IGNORED)
        ignored = {x.ignored for x in heads if x.learns}
        if type_name(metric) == 'IoUMetric' and stated not in ignored:
            for label in list(ignored)[:1]:
                notes.error(
                    'evaluator-ignores',
                    f'{key}.ignore_index={stated}, but the model ignores '
                    f'{label}',
                    f'set {key}.ignore_index={label}',
                )


def _has_masks(model: Any) -> bool:
    """Whether a part of a model is about masks, such as its ``loss_mask``."""
    if isinstance(model, Mapping):
        return any(
            ('mask' in str(key) and value is not None) or _has_masks(value)
            for key, value in model.items()
            if key not in ('train_cfg', 'test_cfg', 'data_preprocessor')
        )
    return isinstance(model, (list, tuple)) and any(map(_has_masks, model))


def _check_file(split: Split, file: str, notes: Notes) -> None:
    own = split.ann_files
    key = f'{split.name}_evaluator.ann_file'
    if os.path.abspath(file) in map(os.path.abspath, own):
        return
    if not os.path.isfile(file):
        notes.error(
            'evaluator-file-missing',
            f'{key}={file!r} (= {os.path.abspath(file)}) does not exist',
            f'set {key}={own[0]!r}: it is not relative to data_root',
        )
        return
    if any(os.path.samefile(file, x) for x in own if os.path.isfile(x)):
        return
    data = read_annotations(Path(file), Path(), notes)
    images = data.get('images') if isinstance(data, dict) else None
    ids = {x.get('id') for x in images or () if isinstance(x, dict)}
    if split.image_ids and ids != split.image_ids:
        notes.error(
            'evaluator-file',
            f'{key}={file!r} has {len(ids):,} images, '
            f'{len(ids & split.image_ids):,} of them among the '
            f'{len(split.image_ids):,} of {own[0]}, which is read',
            f'set {key}={own[0]!r}',
        )


def compare_splits(train: Split, other: Split, notes: Notes) -> None:
    """Compare what is scored with what is learned."""
    if train.folders and other.folders and train.folders != other.folders:
        compare_folders(other.folders, train.folders, 'train', notes)
    elif train.classes and other.classes and train.classes != other.classes:
        notes.error(
            'classes-differ',
            f'its classes {other.classes} are not those of train, '
            f'{train.classes}',
            'give both the same metainfo.classes, in the same order',
        )
    own, learned = (
        set(map(os.path.realpath, filter(None, x.paths)))
        for x in (other, train)
    )
    notes.warning(
        'split-overlap',
        f'{{count}} of {len(other.paths):,} pictures are in train too: the '
        'scores will say little about new pictures',
        'draw them from others',
        sorted(own & learned),
    )


def check_batches(split: Split, world_size: int, notes: Notes) -> None:
    """Note batches that are never full and samplers that never end."""
    loader, key = split.loader, f'{split.name}_dataloader'
    batch, sampler = loader.get('batch_size'), loader.get('sampler')
    if loader.get('shuffle') and sampler is not None:
        notes.error(
            'loader-shuffle',
            f'{key}.shuffle={loader["shuffle"]} does nothing beside a sampler',
            f'set {key}.sampler.shuffle instead',
        )
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        notes.error(
            'batch-size',
            f'{key}.batch_size={batch!r} must be a whole number from 1 on',
            'set it to how many pictures the memory takes',
        )
        return
    endless = type_name(sampler).endswith('InfiniteSampler')
    if endless and split.name != 'train':
        notes.error(
            'sampler-endless',
            f'{key}.sampler is {type_name(sampler)}: it never ends',
            "set type='DefaultSampler', shuffle=False",
        )
    if not split.length or batch is None or endless:
        return
    each = math.ceil(split.length / world_size)
    if loader.get('drop_last', False) and each < batch:
        notes.error(
            'no-batch',
            f'{key} has {split.length:,} pictures for {world_size} '
            f'process(es), fewer than batch_size={batch}, and '
            'drop_last=True leaves out what fills no batch: nothing is left',
            f'set {key}.batch_size={each} or {key}.drop_last=False',
        )
    shuffle = (sampler or {}).get('shuffle', True)
    if split.name == 'train' and shuffle is False and each > batch:
        notes.warning(
            'not-shuffled',
            f'{key}.sampler.shuffle=False: every epoch has the same batches',
            f'set {key}.sampler.shuffle=True',
        )
