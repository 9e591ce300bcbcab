"""Whether the schedule of a training fits its length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.registry import OPTIMIZERS

from convmae_mm.registry import type_name

from .report import Report
from .splits import Split

PART = 'schedule'
WARM_UPS = ('LinearLR', 'ConstantLR', 'PolyLR')


class Length:
    """How long a training is.

    Args:
        cfg: The config.
        split: Its training data.
        world_size: Number of processes.
    """

    def __init__(
        self, cfg: Mapping[str, Any], split: Split, world_size: int
    ) -> None:
        loop = cfg['train_cfg']
        kind = type_name(loop)
        self.by_epoch = bool(loop.get('by_epoch', 'Iter' not in kind))
        key = 'max_epochs' if self.by_epoch else 'max_iters'
        self.stated = loop.get(key)
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


def check_schedule(
    cfg: Mapping[str, Any], split: Split, world_size: int, report: Report
) -> None:
    """Note what never happens, or happens in too short a time."""
    length = Length(cfg, split, world_size)
    loop = cfg['train_cfg']
    sampler = type_name(split.loader.get('sampler'))
    if length.by_epoch and sampler == 'InfiniteSampler':
        report.add(
            'sampler-endless',
            'train',
            f'train_dataloader.sampler is {sampler} in a training by '
            'epochs: the first epoch never ends',
            "set its type='DefaultSampler', or train by iterations",
        )
    for key, optimizer in _optimizers(cfg.get('optim_wrapper') or {}):
        _check_optimizer(key, optimizer, report)
        if optimizer.get('lr') == 0:
            report.add(
                'learning-rate-zero',
                PART,
                f'{key}.lr=0: nothing would be learned',
                'set the learning rate',
            )
    _check_validation(cfg, loop, length, report)
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, Mapping):
        schedulers = [schedulers]
    for index, scheduler in enumerate(schedulers):
        if isinstance(scheduler, Mapping):
            key = f'param_scheduler.{index} ({scheduler.get("type")})'
            _check_scheduler(key, scheduler, length, report)


def _check_optimizer(
    key: str, optimizer: Mapping[str, Any], report: Report
) -> None:
    kind = optimizer.get('type')
    if not isinstance(kind, str):
        return
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:
        if registry.get(kind) is not None:
            return
    near = get_close_matches(kind, OPTIMIZERS.module_dict, 1)
    report.add(
        'optimizer-unknown',
        PART,
        f'{key}.type={kind!r} is no optimizer that is known',
        f'is {near[0]!r} meant?' if near else "set it to 'AdamW', 'SGD', ...",
    )


def _optimizers(
    wrapper: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(wrapper.get('optimizer'), Mapping):
        yield 'optim_wrapper.optimizer', wrapper['optimizer']


def _check_validation(
    cfg: Mapping[str, Any],
    loop: Mapping[str, Any],
    length: Length,
    report: Report,
) -> None:
    stated = length.stated
    if cfg.get('val_cfg') is None or not isinstance(stated, int):
        return
    begin = loop.get('val_begin', 1)
    interval = loop.get('val_interval', 1 if length.by_epoch else 1000)
    what = 'epochs' if length.by_epoch else 'iterations'
    whole = isinstance(interval, (int, float)) and interval % 1 == 0
    if not whole or interval < 1:
        report.add(
            'val-interval',
            PART,
            f'train_cfg.val_interval={interval!r} must be a whole number of '
            f'{what} from 1 on',
            'set it, or leave the validation out with --no-validate',
        )
    elif begin > stated:
        report.add(
            'no-validation',
            PART,
            f'train_cfg.val_begin={begin} is beyond the {stated:,} {what}: '
            'validation is never reached',
            f'set val_begin to {stated} or less, or train with --no-validate',
            severity='warning',
        )
    elif interval > stated:
        report.add(
            'one-validation',
            PART,
            f'train_cfg.val_interval={interval:,} is longer than the '
            f'{stated:,} {what}: the only validation is at the end',
            'set a shorter val_interval to see how the scores grow',
            severity='warning',
        )


def _check_scheduler(
    key: str, scheduler: Mapping[str, Any], length: Length, report: Report
) -> None:
    by_epoch = bool(scheduler.get('by_epoch', True))
    total = length.of(by_epoch)
    if total is None:
        return
    what = 'epochs' if by_epoch else 'iterations'
    begin = scheduler.get('begin', 0)
    if begin >= total:
        report.add(
            'schedule-unreached',
            PART,
            f'{key} begins at {begin:,}, but the training has {total:g} '
            f'{what}: it never acts',
            f'fit begin to the length, or correct by_epoch={by_epoch}',
            severity='warning',
        )
        return
    kind = type_name(scheduler)
    end = scheduler.get('end')
    if end is None and kind.startswith('CosineAnnealing'):
        end = begin + scheduler.get('T_max', total - begin)
    if kind.startswith('MultiStep'):
        late = [x for x in scheduler.get('milestones', ()) if x >= total]
        report.add(
            'milestone-unreached',
            PART,
            f'{key}: {{count}} milestones are beyond the {total:g} {what}',
            f'fit them to the length, or correct by_epoch={by_epoch}',
            late,
            severity='warning',
        )
    elif isinstance(end, (int, float)) and end > total and math.isfinite(end):
        if kind.startswith(WARM_UPS) and scheduler.get('start_factor', 1) < 1:
            told = 'the warm-up is longer than the training, which never '
            told += 'reaches its learning rate'
        else:
            told = 'the schedule does not come to its end'
        report.add(
            'schedule-cut-off',
            PART,
            f'{key} ends at {end:,}, but the training has {total:g} {what}: '
            f'{told}',
            f'fit end (or T_max) to the length, or correct '
            f'by_epoch={by_epoch}',
            severity='warning',
        )
    elif kind.startswith('CosineAnnealing') and end is not None:
        if end < total and not _floor(scheduler):
            report.add(
                'schedule-short',
                PART,
                f'{key} brings the learning rate to 0 at {end:,} of {total:g} '
                f'{what}: nothing is learned after that',
                'fit end (and T_max) to the length',
                severity='warning',
            )


def _floor(scheduler: Mapping[str, Any]) -> bool:
    """Whether a learning rate above 0 is left at the end."""
    return bool(scheduler.get('eta_min') or scheduler.get('eta_min_ratio'))
