"""Look into many files at once: all of them or a sample, with progress."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich import progress as bars
from rich.console import Console

from convmae_mm.errors import ConfigError

Item = TypeVar('Item', bound=Hashable)
Result = TypeVar('Result')


class Examiner:
    """Chooses which files to open and opens them.

    Args:
        sample: How many files of each part to open at most; None for all.
        seed: Decides which ones.
        workers: Threads; decoding releases the interpreter's lock.
        progress: Show progress on the error stream.
        decode: Decode pictures; otherwise only their headers are read.
    """

    def __init__(
        self,
        sample: int | None = 500,
        seed: int = 0,
        workers: int = 4,
        progress: bool = True,
        decode: bool = True,
    ) -> None:
        if sample is not None and sample < 1:
            raise ConfigError(
                f'{sample=} must be at least 1, or None for all files'
            )
        if workers < 1:
            raise ConfigError(f'{workers=} must be at least 1')
        self.sample = sample
        self.seed = seed
        self.workers = workers
        self.progress = progress
        self.decode = decode

    def choose(self, items: Sequence[Item]) -> list[Item]:
        """The items to look at, in their order; the same for every call."""
        if self.sample is None or len(items) <= self.sample:
            return list(items)
        indices = random.Random(self.seed).sample(
            range(len(items)), self.sample
        )
        return [items[index] for index in sorted(indices)]

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        description: str,
    ) -> list[Result]:
        """``function`` of each item, in their order."""
        bar = bars.Progress(
            '{task.description}',
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(),
            # The error stream: what goes to the other one may be JSON.
            console=Console(stderr=True),
            disable=not self.progress,
        )
        with bar, ThreadPoolExecutor(self.workers) as pool:
            results = pool.map(function, items)
            return list(
                bar.track(results, len(items), description=description)
            )
