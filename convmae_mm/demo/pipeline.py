"""Run the steps of the demo, each once, across interruptions."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from convmae_mm.cli import UserError
from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)
from convmae_mm.version import __version__

from .board import Board
from .process import CommandFailedError, run_command
from .records import (
    RECORDS,
    Records,
    StepRecord,
    UnfinishedStep,
    settings_key,
)
from .scalars import read_scores
from .steps import Step
from .summary import Plan

LOGS = 'logs'
_LOCK = '.lock'


@dataclass
class _Clock:
    """Counts a step's time over all its attempts, and puts it on record."""

    records: Records
    step: Step
    key: str
    seconds_before: float
    attempts: int

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self._started

    def keep(self) -> None:
        self.records.keep_unfinished(
            self.step.name,
            UnfinishedStep(self.key, self.seconds, self.attempts),
        )

    def finish(self) -> None:
        self.records.finish(
            self.step.name,
            StepRecord(
                self.key,
                self.seconds,
                self.attempts,
                datetime.now(timezone.utc).isoformat(timespec='seconds'),
            ),
        )


class Pipeline:
    """The demo in one folder.

    A step that has ended leaves a record with a key of its settings and of
    the steps it builds on. As long as the key is the same, it is not run
    again; a training that was interrupted resumes from its last checkpoint;
    and when a setting has changed, what depends on it starts over.

    Args:
        folder: The demo's folder.
        board: Where progress is shown.
    """

    def __init__(self, folder: Path, board: Board) -> None:
        self.folder = folder
        self.records = Records(folder / RECORDS)
        self._board = board

    def run(self, plan: Plan, steps: Sequence[Step]) -> None:
        """Run what is not done yet.

        Raises:
            UserError: If a step fails, or another demo is at work in the
                folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            plan.write(self.folder)
            keys: dict[str, str] = {}
            for number, step in enumerate(steps, start=1):
                keys[step.name] = self._key(step, keys)
                title = f'[{number}/{len(steps)}] {step.title}'
                self._run_step(step, keys[step.name], title)

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

    def _finished_at(self, name: str) -> str | None:
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
        resumed = ' (resumed)' if clock.attempts > 1 else ''
        self._board.start(title + resumed)
        try:
            self._command(step, self._arguments(step), clock)
            if step.config is not None:
                self._evaluate_if_cut_short(step, clock)
        except CommandFailedError as error:
            self._board.stop()
            raise UserError(self._explain(step, error)) from error
        finally:
            self._board.stop()
            clock.keep()
        clock.finish()
        self._board.note(f'{title}: {format_duration(clock.seconds)}')

    def _enter(self, step: Step, key: str) -> _Clock:
        """Continue an attempt with the same settings, or clear the way."""
        unfinished = self.records.unfinished(step.name)
        if unfinished is not None and unfinished.key == key:
            seconds, attempts = unfinished.seconds, unfinished.attempts
        else:
            seconds, attempts = 0.0, 0
            self.records.forget(step.name)
            if step.folder is not None:
                shutil.rmtree(self.folder / step.folder, ignore_errors=True)
            self._log_file(step).unlink(missing_ok=True)
        clock = _Clock(self.records, step, key, seconds, attempts + 1)
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

    def _evaluate_if_cut_short(self, step: Step, clock: _Clock) -> None:
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
                f'{step.folder}/scores.json',
            ],
            clock,
        )

    def _command(
        self, step: Step, arguments: Sequence[str], clock: _Clock
    ) -> None:
        def on_tick() -> None:
            clock.keep()
            if step.count_done is not None:
                self._board.progress(self._count(step, clock))

        run_command(
            arguments,
            self.folder,
            self._log_file(step),
            on_progress=self._board.progress,
            on_tick=on_tick,
        )

    def _count(self, step: Step, clock: _Clock) -> ProgressLine:
        assert step.count_done is not None
        done, total = step.count_done(self.folder)
        return ProgressLine('data', done, total, clock.seconds / max(done, 1))

    def _log_file(self, step: Step) -> Path:
        return self.folder / LOGS / f'{step.name}.log'

    def _explain(self, step: Step, error: CommandFailedError) -> str:
        lines = '\n'.join(f'  {line}' for line in error.tail)
        return (
            f'step {step.name!r} failed, {error}. Its last lines:\n{lines}\n'
            f'The whole log: {self._log_file(step)}\n'
            'The same command continues from here.'
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep a second demo out of the folder while this one is at work."""
        with (self.folder / _LOCK).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f'another demo is at work in {self.folder}; wait for it '
                    'or choose another --work-dir'
                ) from None
            yield
