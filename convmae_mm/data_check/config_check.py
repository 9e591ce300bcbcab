"""Examine a whole config: its data, its model, and how they are used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.registry import DefaultScope

from convmae_mm.errors import ConfigError
from convmae_mm.processes import place_among
from convmae_mm.registry import scope_of

from .heads import check_heads, find_heads, ignored_label
from .leaf import Split
from .loading import check_batches, check_evaluator, compare_splits
from .report import Examiner, Notes, Report
from .schedule import check_schedule
from .splits import SplitReader

SPLITS = ('train', 'val', 'test')


def check_config(
    cfg: Mapping[str, Any],
    splits: Sequence[str] = SPLITS,
    examiner: Examiner | None = None,
) -> Report:
    """Find out what would train or score wrongly.

    Works on any config of mmdet, mmseg or mmpretrain.

    Args:
        cfg: The config, read.
        splits: Which of its data to examine; what it does not have is left
            out, and so is a test that reads what the validation does.
        examiner: Decides how many files are opened; by default 500 of each
            data set.

    Raises:
        ConfigError: If it has no data.
    """
    name = os.path.basename(str(getattr(cfg, 'filename', None) or 'config'))
    report = Report(root=name, layout='config')
    _, world_size = place_among(cfg.get('launcher'))
    scope = scope_of(cfg)
    train_loader = cfg.get('train_dataloader') or {}
    with DefaultScope.overwrite_default_scope(scope):
        heads = find_heads(cfg.get('model'))
        numbers = {x.num_classes for x in heads}
        reader = SplitReader(
            report,
            examiner or Examiner(),
            num_classes=numbers.pop() if len(numbers) == 1 else None,
            ignored=ignored_label(
                heads if scope == 'mmseg' else (),
                report,
                (train_loader.get('dataset') or {}).get('ignore_index'),
            ),
        )
        read: dict[str, Split] = {}
        for split in splits:
            loader = cfg.get(f'{split}_dataloader')
            evaluator = cfg.get(f'{split}_evaluator')
            if not loader or (
                split == 'test' and loader == cfg.get('val_dataloader')
                and 'val' in read
            ):  # fmt: skip
                continue
            found = read[split] = reader.read(split, loader, evaluator)
            notes = Notes(report, split)
            check_batches(found, world_size, notes)
            if split != 'train':
                model = cfg.get('model')
                check_evaluator(found, evaluator, heads, model, notes)
        if not read:
            loaders = ' or '.join(f'{split}_dataloader' for split in splits)
            raise ConfigError(f'{name} has no {loaders}: nothing to examine')
        first = next(iter(read.values()))
        check_heads(heads, first.classes, scope, report)
        train = read.pop('train', None)
        if train is not None:
            for split, found in read.items():
                compare_splits(train, found, Notes(report, split))
            if cfg.get('train_cfg'):
                check_schedule(cfg, train, world_size, report)
    return report
