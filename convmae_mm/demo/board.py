"""What a person sees while the demo runs."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.markup import escape
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
    """Shows the steps of the demo as they go; several may be open."""

    def note(self, text: str) -> None:
        """Say something that stays."""

    def start(self, title: str) -> None:
        """Open a step."""

    def progress(self, title: str, progress: ProgressLine) -> None:
        """Tell how far an open step is."""

    def stop(self, title: str) -> None:
        """Close an open step, whatever became of it."""


def make_board() -> Board:
    """Bars on a terminal, plain lines at long intervals elsewhere."""
    return BarBoard(Console()) if sys.stdout.isatty() else PlainBoard()


class BarBoard:
    """A progress bar for each open step, below the ones that have ended.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn('{task.description}'),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}'),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def start(self, title: str) -> None:
        self._tasks[title] = self._bars.add_task(
            escape(title), total=None, note='starting'
        )
        self._bars.start()

    def progress(self, title: str, progress: ProgressLine) -> None:
        phase = '' if progress.phase == 'train' else f' ({progress.phase})'
        self._bars.update(
            self._tasks[title],
            description=escape(title) + phase,
            completed=progress.done,
            total=progress.total,
            note=describe_progress(progress),
        )

    def stop(self, title: str) -> None:
        self._bars.remove_task(self._tasks.pop(title))
        if not self._tasks:
            self._bars.stop()


class PlainBoard:
    """Lines that a log file or a CI job can keep.

    Args:
        interval: Seconds between two lines about the same step.
    """

    def __init__(self, interval: float = 30.0) -> None:
        self._interval = interval
        self._last: dict[str, float] = {}

    def note(self, text: str) -> None:
        print(text, flush=True)

    def start(self, title: str) -> None:
        print(title, flush=True)
        self._last[title] = time.monotonic()

    def progress(self, title: str, progress: ProgressLine) -> None:
        now = time.monotonic()
        if now - self._last[title] < self._interval:
            return
        self._last[title] = now
        print(
            f'{title}: {progress.phase} {progress.done}/{progress.total}, '
            f'{describe_progress(progress)}',
            flush=True,
        )

    def stop(self, title: str) -> None:
        del self._last[title]


def describe_progress(progress: ProgressLine) -> str:
    """Speed, time to go and loss in a few words."""
    text = (
        f'{progress.seconds_per_iteration:.2f} s/it, '
        f'{format_duration(progress.eta_seconds)} to go'
    )
    if progress.loss is not None:
        text += f', loss {progress.loss:.3f}'
    return text
