"""Whether the schedule of a training fits its length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.registry import OPTIMIZERS

from convmae_mm.registry import find_class, type_name

from .leaf import Split
from .report import Notes, Report

WARM_UPS = ('LinearLR', 'ConstantLR', 'PolyLR')


class Length:
    """How long a training is.

    Args:
        loop: ``train_cfg`` of the config.
        split: Its training data.
        world_size: Number of processes.
    """

    def __init__(
        self, loop: Mapping[str, Any], split: Split, world_size: int
    ) -> None:
        kind = type_name(loop)
        self.by_epoch = bool(loop.get('by_epoch', 'Iter' not in kind))
        self.stated = loop.get('max_epochs' if self.by_epoch else 'max_iters')
        batch = split.loader.get('batch_size')
        self.iters_per_epoch: int | None = None
        if split.length and isinstance(batch, int) and batch > 0:
            each = math.ceil(split.length / world_size)
            drops = split.loader.get('drop_last', False)
            self.iters_per_epoch = (
                each // batch if drops else math.ceil(each / batch)
            )

    def of(self, by_epoch: bool) -> float | None:
        """The length in epochs or in iterations; None if unknown."""
        if not isinstance(self.stated, int):
            return None
        if by_epoch == self.by_epoch:
            return self.stated
        if not self.iters_per_epoch:
            return None
        if self.by_epoch:
            return self.stated * self.iters_per_epoch
        return self.stated / self.iters_per_epoch


def unit(by_epoch: bool) -> str:
    """What a length is counted in."""
    return 'epochs' if by_epoch else 'iterations'


def check_schedule(
    cfg: Mapping[str, Any], split: Split, world_size: int, report: Report
) -> None:
    """Note what never happens, or happens in too short a time."""
    notes = Notes(report, 'schedule')
    length = Length(cfg['train_cfg'], split, world_size)
    sampler = type_name(split.loader.get('sampler'))
    if length.by_epoch and sampler == 'InfiniteSampler':
        Notes(report, 'train').error(
            'sampler-endless',
            f'train_dataloader.sampler is {sampler} in a training by '
            'epochs: the first epoch never ends',
            "set its type='DefaultSampler', or train by iterations",
        )
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if isinstance(optimizer, Mapping):
        _check_optimizer(optimizer, notes)
    if cfg.get('val_cfg') is not None and isinstance(length.stated, int):
        _check_validation(cfg['train_cfg'], length, notes)
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, Mapping):
        schedulers = [schedulers]
    for index, scheduler in enumerate(schedulers):
        if isinstance(scheduler, Mapping):
            key = f'param_scheduler.{index} ({scheduler.get("type")})'
            _check_scheduler(key, scheduler, length, notes)


def _check_optimizer(optimizer: Mapping[str, Any], notes: Notes) -> None:
    key = 'optim_wrapper.optimizer'
    kind = optimizer.get('type')
    if isinstance(kind, str) and find_class(OPTIMIZERS, kind) is None:
        near = get_close_matches(str(kind), OPTIMIZERS.module_dict, 1)
        notes.error(
            'optimizer-unknown',
            f'{key}.type={kind!r} is no optimizer that is known',
            f'is {near[0]!r} meant?'
            if near
            else "set it to 'AdamW', 'SGD', ...",
        )
    if optimizer.get('lr') == 0:
        notes.error(
            'learning-rate-zero',
            f'{key}.lr=0: nothing would be learned',
            'set the learning rate',
        )


def _check_validation(
    loop: Mapping[str, Any], length: Length, notes: Notes
) -> None:
    stated, what = length.stated, unit(length.by_epoch)
    begin = loop.get('val_begin', 1)
    interval = loop.get('val_interval', 1 if length.by_epoch else 1000)
    whole = isinstance(interval, (int, float)) and interval % 1 == 0
    if not whole or interval < 1:
        notes.error(
            'val-interval',
            f'train_cfg.val_interval={interval!r} must be a whole number of '
            f'{what} from 1 on',
            'set it, or leave the validation out with --no-validate',
        )
    elif begin > stated:
        notes.warning(
            'no-validation',
            f'train_cfg.val_begin={begin} is beyond the {stated:,} {what}: '
            'validation is never reached',
            f'set val_begin to {stated} or less, or train with --no-validate',
        )
    elif interval > stated:
        notes.warning(
            'one-validation',
            f'train_cfg.val_interval={interval:,} is longer than the '
            f'{stated:,} {what}: the only validation is at the end',
            'set a shorter val_interval to see how the scores grow',
        )


def _check_scheduler(
    key: str, scheduler: Mapping[str, Any], length: Length, notes: Notes
) -> None:
    by_epoch = bool(scheduler.get('by_epoch', True))
    total = length.of(by_epoch)
    if total is None:
        return
    kind, begin = type_name(scheduler), scheduler.get('begin', 0)
    cosine = kind.startswith('CosineAnnealing')
    end = scheduler.get('end')
    if end is None and cosine:
        end = begin + scheduler.get('T_max', total - begin)
    trained = f'{total:g} {unit(by_epoch)}'
    correct = f'to the length, or correct by_epoch={by_epoch}'
    if begin >= total:
        notes.warning(
            'schedule-unreached',
            f'{key} begins at {begin:,}, but the training has {trained}: it '
            'never acts',
            f'fit begin {correct}',
        )
    elif kind.startswith('MultiStep'):
        notes.warning(
            'milestone-unreached',
            f'{key}: {{count}} milestones are beyond the {trained}',
            f'fit them {correct}',
            [x for x in scheduler.get('milestones', ()) if x >= total],
        )
    elif isinstance(end, (int, float)) and end > total and math.isfinite(end):
        warms = kind.startswith(WARM_UPS)
        told = (
            'the warm-up is longer than the training, which never reaches '
            'its learning rate'
            if warms and scheduler.get('start_factor', 1) < 1
            else 'the schedule does not come to its end'
        )
        notes.warning(
            'schedule-cut-off',
            f'{key} ends at {end:,}, but the training has {trained}: {told}',
            f'fit end (or T_max) {correct}',
        )
    elif (
        cosine
        and end is not None
        and end < total
        # a learning rate above 0 is left at the end
        and not (scheduler.get('eta_min') or scheduler.get('eta_min_ratio'))
    ):
        notes.warning(
            'schedule-short',
            f'{key} brings the learning rate to 0 at {end:,} of {trained}: '
            'nothing is learned after that',
            'fit end (and T_max) to the length',
        )
