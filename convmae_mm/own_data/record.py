"""What a run has done, on disk after each step."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convmae_mm.apis.load import RUN_FILE
from convmae_mm.engine.atomic_files import write_whole


class RunFile:
    """The record, for us, for ``predict`` and for ``report``.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RUN_FILE
        self.content: dict[str, Any] = {}
        if self.path.is_file():
            self.content = json.loads(self.path.read_text('utf-8'))
        self._before: float = self.content.get('seconds', 0.0)
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def update(self, **values: Any) -> None:
        """Write what is new; the file is whole at any moment."""
        with self._lock:
            self._write(values)

    def _write(self, values: dict[str, Any]) -> None:
        self.content.update(values)
        text = json.dumps(self.content, indent=1)
        write_whole(self.path, text.encode())

    @property
    def steps(self) -> dict[str, Any]:
        """By name: seconds that a step took, and what it left."""
        found: dict[str, Any] = self.content.get('steps', {})
        return found

    def finish(self, step: str, **values: Any) -> None:
        """Put a step on record."""
        with self._lock:
            steps = {**self.steps, step: values}
            self._write({'steps': steps, 'seconds': self.seconds})

    def forget(self, step: str) -> None:
        """Let a step be done again."""
        with self._lock:
            steps = {k: v for k, v in self.steps.items() if k != step}
            self._write({'steps': steps})

    @property
    def seconds(self) -> float:
        """Spent so far, over all starts; side by side counts once."""
        return self._before + time.monotonic() - self._start

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any] | None]:
        """Times and records what is done inside; None if it was before."""
        done = self.steps.get(name)
        if done is not None and 'unfinished' not in done:
            yield None
            return
        start = time.monotonic()
        before = 0.0 if done is None else done['seconds']
        step: dict[str, Any] = {'unfinished': True}
        try:
            yield step
            del step['unfinished']
        finally:
            seconds = before + time.monotonic() - start
            self.finish(name, seconds=seconds, **step)
