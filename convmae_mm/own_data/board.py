"""What somebody sees while commands run, one or several side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)


class Board:
    """A bar for each command that runs, and lines elsewhere.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
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

    def say(self, text: str) -> None:
        """Something that stays."""
        self.console.print(text, highlight=False, markup=False)

    @contextmanager
    def follow(self, name: str) -> Iterator[Callable[[ProgressLine], None]]:
        """Inside, tell of a command with the function that is given."""
        if not self.console.is_terminal:
            yield lambda line: self.say(f'  {name}: {_in_words(line)}')
            return
        with self._lock:
            task = self._bars.add_task(escape(name), total=None, note='starts')
            self._bars.start()
        try:
            yield lambda line: self._bars.update(
                task,
                completed=line.done,
                total=line.total,
                note=_note(line),
                description=escape(f'{name}: {line.phase}'),
            )
        finally:
            with self._lock:
                self._bars.remove_task(task)
                if not self._bars.tasks:
                    self._bars.stop()


def _in_words(line: ProgressLine) -> str:
    return f'{line.phase} {line.done}/{line.total}, {_note(line)}'


def _note(line: ProgressLine) -> str:
    text = f'{format_duration(line.eta_seconds)} to go'
    return text if line.loss is None else f'{text}, loss {line.loss:.3f}'
