"""What a person sees while the demo runs."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)


class Board(Protocol):
    """Shows the steps of the demo as they go."""

    def note(self, text: str) -> None:
        """Say something that stays."""

    def start(self, title: str) -> None:
        """Open a step."""

    def progress(self, progress: ProgressLine) -> None:
        """Tell how far the open step is."""

    def stop(self) -> None:
        """Close the open step, whatever became of it."""


def make_board() -> Board:
    """Bars on a terminal, plain lines at long intervals elsewhere."""
    return BarBoard() if sys.stdout.isatty() else PlainBoard()


class BarBoard:
    """A progress bar for the open step, below the ones that have ended."""

    def __init__(self) -> None:
        self._console = Console()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ''

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def start(self, title: str) -> None:
        self._title = title
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn('{task.description}'),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}'),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None, note='starting')
        self._bar.start()

    def progress(self, progress: ProgressLine) -> None:
        assert self._bar is not None and self._task is not None
        phase = '' if progress.phase == 'train' else f' ({progress.phase})'
        self._bar.update(
            self._task,
            description=self._title + phase,
            completed=progress.done,
            total=progress.total,
            note=describe_progress(progress),
        )

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


class PlainBoard:
    """Lines that a log file or a CI job can keep.

    Args:
        interval: Seconds between two lines about the same step.
    """

    def __init__(self, interval: float = 30.0) -> None:
        self._interval = interval
        self._last = 0.0

    def note(self, text: str) -> None:
        print(text, flush=True)

    def start(self, title: str) -> None:
        print(title, flush=True)
        self._last = time.monotonic()

    def progress(self, progress: ProgressLine) -> None:
        now = time.monotonic()
        if now - self._last < self._interval:
            return
        self._last = now
        print(
            f'  {progress.phase} {progress.done}/{progress.total}, '
            f'{describe_progress(progress)}',
            flush=True,
        )

    def stop(self) -> None:
        """A line needs no closing."""


def describe_progress(progress: ProgressLine) -> str:
    """Speed, time to go and loss in a few words."""
    text = (
        f'{progress.seconds_per_iteration:.2f} s/it, '
        f'{format_duration(progress.eta_seconds)} to go'
    )
    if progress.loss is not None:
        text += f', loss {progress.loss:.3f}'
    return text
