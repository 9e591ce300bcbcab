"""The learning rate over a training, in closed form.

mmengine multiplies step by step; the products are these formulas. A curve of
a million iterations is then as cheap as one of ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Scheduler = Mapping[str, Any]


def rate_factor(schedulers: Sequence[Scheduler], time: float) -> float:
    """The learning rate at a time, over the optimiser's own.

    Args:
        schedulers: ``param_scheduler`` of a config: LinearLR,
            CosineAnnealingLR, PolyLR or MultiStepLR.
        time: In the units of the schedulers, iterations or epochs.

    Raises:
        ValueError: For another kind of scheduler, or an absolute ``eta_min``
            above 0, which differs between parameter groups.
    """
    factor = 1.0
    for scheduler in schedulers:
        kind = scheduler['type']
        if kind not in _FORMULAS:
            raise ValueError(
                f'no formula for a scheduler of type {kind!r}; there are '
                f'{sorted(_FORMULAS)}'
            )
        if time < scheduler.get('begin', 0):
            continue
        if scheduler.get('eta_min', 0):
            raise ValueError(
                f'{kind} has eta_min={scheduler["eta_min"]}, the same for all '
                'parameter groups: use eta_min_ratio'
            )
        factor *= _FORMULAS[kind](scheduler, time)
    return factor


def _share(scheduler: Scheduler, time: float) -> float:
    """How much of a scheduler's time has passed, 0 to 1."""
    begin = scheduler.get('begin', 0)
    length = scheduler.get('T_max') or scheduler['end'] - begin
    return min((time - begin) / length, 1.0)


def _linear(scheduler: Scheduler, time: float) -> float:
    begin, end = scheduler.get('begin', 0), scheduler['end']
    # mmengine reaches the full rate at the last step before `end`.
    last = max(end - 1 - begin, 1) if _by_iteration(scheduler) else end - begin
    start = scheduler.get('start_factor', 1.0 / 3)
    return start + (1.0 - start) * min((time - begin) / last, 1.0)


def _by_iteration(scheduler: Scheduler) -> bool:
    return not scheduler.get('by_epoch', True)


def _cosine(scheduler: Scheduler, time: float) -> float:
    least = scheduler.get('eta_min_ratio') or 0.0
    share = _share(scheduler, time)
    return least + (1 - least) * (1 + math.cos(math.pi * share)) / 2


def _poly(scheduler: Scheduler, time: float) -> float:
    return (1 - _share(scheduler, time)) ** scheduler.get('power', 1.0)


def _multi_step(scheduler: Scheduler, time: float) -> float:
    passed = sum(time >= step for step in scheduler['milestones'])
    return float(scheduler.get('gamma', 0.1) ** passed)


_FORMULAS: dict[str, Callable[[Scheduler, float], float]] = {
    'LinearLR': _linear,
    'CosineAnnealingLR': _cosine,
    'PolyLR': _poly,
    'MultiStepLR': _multi_step,
}
