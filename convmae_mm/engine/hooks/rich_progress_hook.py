"""A progress bar with the time to go for mmengine's loops."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from collections.abc import Sequence

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)
from convmae_mm.registry import HOOKS

Batch = dict | tuple | list | None


@HOOKS.register_module()
class RichProgressHook(Hook):
    """Show how far a loop has come and how long it has to go.

    On a terminal this is a bar that stays below the log lines. Anywhere else
    (a file, a pipe, the log of a CI job) it is a plain line every
    ``line_interval`` seconds, see :class:`ProgressLine`. Loops by epoch and
    by iteration, validation and test are all counted in iterations. A resumed
    training starts where it was left, and the speed is that of this process.

    Args:
        line_interval: Seconds between two plain lines; the first and the last
            iteration of a loop are always told.
    """

    # After the hooks that save and log, so that what is shown has happened.
    priority = 'VERY_LOW'

    def __init__(self, line_interval: float = 30.0) -> None:
        if line_interval < 0:
            raise ValueError(f'{line_interval=} must not be negative')
        self.line_interval = line_interval
        self._display: _Bar | _Lines | None = None
        self._loops: list[_Loop] = []

    @master_only
    def before_train(self, runner: Runner) -> None:
        self._enter(runner, _Loop('train', runner.iter, runner.max_iters))

    @master_only
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        self._advance(runner.iter + 1, outputs)

    @master_only
    def after_train(self, runner: Runner) -> None:
        self._leave()

    @master_only
    def before_val_epoch(self, runner: Runner) -> None:
        self._enter(runner, _Loop('val', 0, len(runner.val_dataloader)))

    @master_only
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: Sequence | None = None,
    ) -> None:
        self._advance(batch_idx + 1)

    @master_only
    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        self._leave()

    @master_only
    def before_test_epoch(self, runner: Runner) -> None:
        self._enter(runner, _Loop('test', 0, len(runner.test_dataloader)))

    @master_only
    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: Sequence | None = None,
    ) -> None:
        self._advance(batch_idx + 1)

    @master_only
    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        self._leave()

    def _enter(self, runner: Runner, loop: _Loop) -> None:
        if self._display is None:
            self._display = (
                _Bar(runner.logger)
                if sys.stdout.isatty()
                else _Lines(self.line_interval)
            )
        if self._loops:
            self._loops[-1].pause()
        self._loops.append(loop)

    def _advance(self, done: int, outputs: dict | None = None) -> None:
        assert self._display is not None
        loop = self._loops[-1]
        loop.done = done
        if loop.is_complete or self._display.is_due():
            # Only now is the loss asked for: on a GPU that waits for it.
            loss = (outputs or {}).get('loss')
            self._display.show(
                loop.progress(None if loss is None else float(loss.detach()))
            )

    def _leave(self) -> None:
        """End the innermost loop; the last one takes the display with it."""
        assert self._display is not None
        self._display.finish(self._loops.pop().phase)
        if self._loops:
            self._loops[-1].resume()
        else:
            self._display.close()
            self._display = None


class _Loop:
    """Counts and times one loop; validation inside training stops its clock.

    Args:
        phase: 'train', 'val' or 'test'.
        done: Iterations done by an earlier process.
        total: Iterations of the whole loop.
    """

    def __init__(self, phase: str, done: int, total: int) -> None:
        self.phase = phase
        self.done = done
        self._start = done
        self._total = total
        self._seconds = 0.0
        self._since = time.monotonic()

    @property
    def is_complete(self) -> bool:
        return self.done >= self._total

    def progress(self, loss: float | None) -> ProgressLine:
        seconds = self._seconds + time.monotonic() - self._since
        return ProgressLine(
            self.phase,
            self.done,
            self._total,
            seconds / max(self.done - self._start, 1),
            loss,
        )

    def pause(self) -> None:
        self._seconds += time.monotonic() - self._since

    def resume(self) -> None:
        self._since = time.monotonic()


class _Lines:
    """Plain lines at intervals, for outputs that are not a terminal."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: float | None = None

    def is_due(self) -> bool:
        return (
            self._last is None
            or time.monotonic() - self._last >= self._interval
        )

    def show(self, progress: ProgressLine) -> None:
        print(progress, flush=True)
        self._last = time.monotonic()

    def finish(self, phase: str) -> None:
        self._last = None

    def close(self) -> None:
        """Nothing is held between two lines."""


class _Bar:
    """A rich progress bar with one row per loop, below the log lines.

    Args:
        logger: The runner's logger, whose console output must pass through
            rich while the bar is shown.
    """

    # Four times a second looks smooth and costs nothing.
    _INTERVAL = 0.25

    def __init__(self, logger: logging.Logger) -> None:
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}'),
            TimeElapsedColumn(),
            console=Console(file=sys.stdout),
        )
        self._tasks: dict[str, TaskID] = {}
        self._last = 0.0
        self._progress.start()
        # While the bar lives, rich's stand-in for stdout prints above it; the
        # logger took hold of the real stdout before that and must let go.
        self._moved = [
            (handler, handler.stream)
            for handler in logger.handlers
            if type(handler) is logging.StreamHandler
        ]
        for handler, _ in self._moved:
            handler.setStream(sys.stdout)
        # An exception ends a run without `after_train`, and the cursor must
        # not stay hidden.
        atexit.register(self.close)

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self._INTERVAL

    def show(self, progress: ProgressLine) -> None:
        if progress.phase not in self._tasks:
            self._tasks[progress.phase] = self._progress.add_task(
                progress.phase, total=progress.total, note=''
            )
        note = (
            f'{progress.seconds_per_iteration:.2f} s/it, '
            f'{format_duration(progress.eta_seconds)} to go'
        )
        if progress.loss is not None:
            note += f', loss {progress.loss:.3f}'
        self._progress.update(
            self._tasks[progress.phase], completed=progress.done, note=note
        )
        self._last = time.monotonic()

    def finish(self, phase: str) -> None:
        task = self._tasks.pop(phase, None)
        if task is not None and phase != 'train':
            self._progress.remove_task(task)

    def close(self) -> None:
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved = []
        self._progress.stop()
        atexit.unregister(self.close)
