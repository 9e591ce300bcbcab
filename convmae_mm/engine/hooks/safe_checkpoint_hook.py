"""Checkpoints that are lost neither to a full disk nor to the next one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from convmae_mm.engine.atomic_files import describe_space
from convmae_mm.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's hook, which removes old files after the new one is written.

    Its own removes the oldest, or the best so far, before it writes the next,
    which then may fail. It takes one file more of space for a while; before
    the first step the hook says if the disk cannot hold what is to come. The
    arguments are those of mmengine's ``CheckpointHook``.
    """

    def before_train(self, runner: Runner) -> None:
        """Put removals off, and look at the disk."""
        super().before_train(runner)
        self.file_backend = _PutOff(self.file_backend)  # type: ignore
        shortage = self._shortage(runner)
        if shortage:
            runner.logger.warning(shortage)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict[str, Any]
    ) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        self.file_backend.remove_all(
            {self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best}
        )

    def _shortage(self, runner: Runner) -> str:
        """What the disk lacks for the checkpoints of this training."""
        folder = Path(str(self.out_dir))
        if not folder.is_dir():
            return ''
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        # not of state_dict(): FSDP would take each part for a root of its own
        tensors = [*model.parameters(), *model.buffers()]
        size = sum(x.nbytes for x in tensors)
        if self.save_optimizer:
            # Adam keeps two numbers for each that it trains.
            trained = [x for x in model.parameters() if x.requires_grad]
            size += 2 * sum(x.nbytes for x in trained)
        done, last = (
            (runner.epoch, runner.max_epochs)
            if self.by_epoch
            else (runner.iter, runner.max_iters)
        )
        count = -(-(last - done) // self.interval) if self.interval > 0 else 1
        if self.max_keep_ckpts > 0:
            count = min(count, self.max_keep_ckpts + 1)
        if size * count <= shutil.disk_usage(folder).free:
            return ''
        return (
            f'{count} checkpoints of about {size / 2**20:,.0f} MiB are to be '
            f'in {folder} at once, and only {describe_space(folder)}. Keep '
            'fewer: --cfg-options default_hooks.checkpoint.max_keep_ckpts=2'
        )


class _PutOff:
    """A file backend whose removals wait until they are asked for."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    rmtree = remove

    def remove_all(self, but: set[str | None]) -> None:
        """Remove what waits, but not what was written again meanwhile."""
        for path in self._waiting:
            if path in but:
                continue
            if self._backend.isdir(path):
                self._backend.rmtree(path)
            elif self._backend.isfile(path):
                self._backend.remove(path)
        self._waiting.clear()
