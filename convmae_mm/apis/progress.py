"""How far a loop over pictures has come, on a terminal or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from convmae_mm.engine.hooks.progress_line import ProgressLine

T = TypeVar('T')
LINE_SECONDS = 30.0


def follow(items: Iterable[T], total: int, phase: str) -> Iterator[T]:
    """Pass items on and show how many, and how long the rest will take.

    A bar on a terminal; elsewhere a line, see
    :class:`convmae_mm.engine.hooks.progress_line.ProgressLine`, at the first
    and the last item and every half minute.

    Args:
        items: Each counts when the next one is asked for.
        total: About how many there are.
        phase: What is done, one word.
    """
    if sys.stderr.isatty():
        with Progress(
            TextColumn(phase),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('to go'),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar:
            yield from bar.track(items, total=total)
        return
    start, told = time.monotonic(), float('-inf')
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - told >= LINE_SECONDS or done == total:
            line = ProgressLine(
                phase, done, max(total, done), (now - start) / done
            )
            print(line, file=sys.stderr, flush=True)
            told = now
