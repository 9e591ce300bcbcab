"""Run the steps of the demo, each once, across interruptions."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from functools import partial
from pathlib import Path

from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)
from convmae_mm.errors import ConfigError, UserError
from convmae_mm.processes import own_folder
from convmae_mm.report.scalars import SCORES_FILE, read_scores
from convmae_mm.version import __version__

from .board import Board
from .process import CommandFailedError, run_command
from .records import RECORDS, Records, StepRecord, settings_key
from .steps import Step
from .summary import Plan, count_cores

LOGS = 'logs'


class _Clock:
    """Counts a step's time over all its attempts, and puts it on record."""

    def __init__(
        self,
        records: Records,
        step: Step,
        key: str,
        earlier: tuple[tuple[float, float], ...],
    ) -> None:
        self._records = records
        self._step = step
        self._key = key
        self._earlier = earlier
        self._start = time.time()

    @property
    def record(self) -> StepRecord:
        return StepRecord(
            self._key, (*self._earlier, (self._start, time.time()))
        )

    def keep(self) -> None:
        self._records.keep_unfinished(self._step.name, self.record)

    def finish(self) -> None:
        self._records.finish(self._step.name, self.record)


class Pipeline:
    """The demo in one folder.

    A step runs as soon as those it needs have ended and a place is free. A
    step that has ended leaves a record with a key of its settings and of the
    steps it builds on. As long as the key is the same, it is not run again;
    a training that was interrupted resumes from its last checkpoint; and when
    a setting has changed, what depends on it starts over.

    Args:
        folder: The demo's folder.
        board: Where progress is shown.
        jobs: How many steps may run at the same time. The cores are shared
            among them.
    """

    def __init__(self, folder: Path, board: Board, jobs: int) -> None:
        if jobs < 1:
            raise ConfigError(f'{jobs=} must be at least 1')
        self.folder = folder
        self.jobs = jobs
        self.records = Records(folder / RECORDS)
        self._threads = max(1, count_cores() // jobs)
        self._board = board
        self._stop = threading.Event()

    def run(self, plan: Plan, steps: Sequence[Step]) -> None:
        """Run what is not done yet.

        Raises:
            UserError: If a step fails, or another demo is at work in the
                folder.
        """
        with own_folder(self.folder):
            plan.write(self.folder)
            with ThreadPoolExecutor(self.jobs) as pool:
                try:
                    self._schedule(pool, steps)
                finally:
                    # After an error or an interruption, what still runs ends
                    # before we do.
                    self._stop.set()

    def _schedule(
        self, pool: ThreadPoolExecutor, steps: Sequence[Step]
    ) -> None:
        waiting = {
            step.name: f'[{number}/{len(steps)}] {step.title}'
            for number, step in enumerate(steps, start=1)
        }
        running: dict[Future[None], str] = {}
        done: set[str] = set()
        keys: dict[str, str] = {}
        while waiting or running:
            for step in steps:
                ready = step.name in waiting and done.issuperset(step.needs)
                if ready and len(running) < self.jobs:
                    key = keys[step.name] = self._key(step, keys)
                    title = waiting.pop(step.name)
                    future = pool.submit(self._run_step, step, key, title)
                    running[future] = step.name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                done.add(running.pop(future))
                future.result()

    def _key(self, step: Step, keys: dict[str, str]) -> str:
        built_on = [
            # A step that was made anew is another one, even if by the same
            # settings.
            (keys[name], self._finished_at(name))
            for name in step.needs
        ]
        return settings_key(
            [__version__, step.arguments, step.made_from, built_on]
        )

    def _finished_at(self, name: str) -> float | None:
        record = self.records.finished(name)
        return None if record is None else record.finished

    def _run_step(self, step: Step, key: str, title: str) -> None:
        record = self.records.finished(step.name)
        if record is not None and record.key == key:
            self._board.note(
                f'{title}: done before, in {format_duration(record.seconds)}'
            )
            return
        clock = self._enter(step, key)
        shown = title
        if len(clock.record.spans) > 1:
            shown += ' (resumed)'
        self._board.start(shown)
        try:
            self._command(step, self._arguments(step), shown, clock)
            if step.config is not None:
                self._evaluate_if_cut_short(step, shown, clock)
        except CommandFailedError as error:
            raise UserError(self._explain(step, error)) from error
        finally:
            self._board.stop(shown)
            clock.keep()
        clock.finish()
        duration = format_duration(clock.record.seconds)
        self._board.note(f'{title}: {duration}')

    def _enter(self, step: Step, key: str) -> _Clock:
        """Continue an attempt with the same settings, or clear the way."""
        unfinished = self.records.unfinished(step.name)
        if unfinished is not None and unfinished.key == key:
            earlier = unfinished.spans
        else:
            earlier = ()
            self.records.forget(step.name)
            if step.folder is not None:
                shutil.rmtree(self.folder / step.folder, ignore_errors=True)
            self._log_file(step).unlink(missing_ok=True)
        clock = _Clock(self.records, step, key, earlier)
        clock.keep()
        return clock

    def _arguments(self, step: Step) -> list[str]:
        arguments = list(step.arguments)
        if step.config is not None and self._last_checkpoint(step):
            arguments.append('--resume')
        return arguments

    def _last_checkpoint(self, step: Step) -> Path | None:
        """What mmengine would resume from; a pointer to nothing is removed."""
        assert step.folder is not None
        pointer = self.folder / step.folder / 'last_checkpoint'
        if not pointer.is_file():
            return None
        checkpoint = Path(pointer.read_text(encoding='utf-8').strip() or '?')
        if (pointer.parent / checkpoint.name).is_file():
            return pointer.parent / checkpoint.name
        pointer.unlink()
        return None

    def _evaluate_if_cut_short(
        self, step: Step, shown: str, clock: _Clock
    ) -> None:
        """Score a training that was interrupted between its end and its score.

        The last checkpoint is written before the last validation, and a
        resumed training that has no epoch to go does not validate.
        """
        assert step.config is not None and step.folder is not None
        if step.config.get('val_cfg') is None:
            return
        if read_scores(self.folder / step.folder, step.max_epochs):
            return
        checkpoint = self._last_checkpoint(step)
        train, config, *rest = step.arguments
        assert train == 'train' and checkpoint is not None
        options = rest[rest.index('--work-dir') : rest.index('--seed')]
        self._command(
            step,
            [
                'test',
                config,
                f'{step.folder}/{checkpoint.name}',
                *options,
                '--out',
                f'{step.folder}/{SCORES_FILE}',
            ],
            shown,
            clock,
        )

    def _command(
        self, step: Step, arguments: Sequence[str], shown: str, clock: _Clock
    ) -> None:
        def on_tick() -> None:
            clock.keep()
            if step.count_done is not None:
                done, total = step.count_done(self.folder)
                seconds = clock.record.seconds / max(done, 1)
                self._board.progress(
                    shown, ProgressLine('data', done, total, seconds)
                )

        run_command(
            arguments,
            self.folder,
            self._log_file(step),
            on_progress=partial(self._board.progress, shown),
            on_tick=on_tick,
            stop=self._stop,
            threads=self._threads,
        )

    def _log_file(self, step: Step) -> Path:
        return self.folder / LOGS / f'{step.name}.log'

    def _explain(self, step: Step, error: CommandFailedError) -> str:
        lines = '\n'.join(f'  {line}' for line in error.tail)
        return (
            f'step {step.name!r} failed, {error}. Its last lines:\n{lines}\n'
            f'The whole log: {self._log_file(step)}\n'
            'The same command continues from here.'
        )
