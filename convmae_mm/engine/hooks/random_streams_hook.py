"""Random numbers of a training by its iterations, not by its history."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from convmae_mm.engine.random_streams import seed_data, seed_step
from convmae_mm.registry import HOOKS


@HOOKS.register_module()
class RandomStreamsHook(Hook):
    """Seed each iteration by the run's seed and the iteration's number.

    See :mod:`convmae_mm.engine.random_streams`. Each process of a
    distributed training draws numbers of its own.
    """

    # Before whatever draws.
    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        seed_data(runner.seed, runner.iter)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        seed_step(runner.seed, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        # Without workers the next batch is drawn in this process.
        seed_data(runner.seed, runner.iter + 1)
