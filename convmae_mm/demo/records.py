"""What the demo remembers between two runs, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RECORDS = 'steps'  # folder of the records in that of the demo


@dataclass(frozen=True)
class StepRecord:
    """The file that says a step has ended, and with which settings.

    Attributes:
        key: Of the settings and of everything the step was made from.
        seconds: Wall-clock time, interrupted attempts included.
        attempts: How many times the step was started.
        finished: When it ended, ISO 8601.
    """

    key: str
    seconds: float
    attempts: int
    finished: str


@dataclass(frozen=True)
class UnfinishedStep:
    """The trace of a step under way, renewed while it runs.

    Attributes:
        key: As in :class:`StepRecord`.
        seconds: Wall-clock time so far, over all attempts.
        attempts: How many times the step was started.
    """

    key: str
    seconds: float
    attempts: int


class Records:
    """The folder that holds the records of all steps.

    Args:
        folder: Made when the first record is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, step: str) -> StepRecord | None:
        data = _read_json(self.folder / f'{step}.json')
        return None if data is None else StepRecord(**data)

    def unfinished(self, step: str) -> UnfinishedStep | None:
        data = _read_json(self.folder / f'{step}.unfinished.json')
        return None if data is None else UnfinishedStep(**data)

    def keep_unfinished(self, step: str, state: UnfinishedStep) -> None:
        write_json(self.folder / f'{step}.unfinished.json', asdict(state))

    def finish(self, step: str, record: StepRecord) -> None:
        write_json(self.folder / f'{step}.json', asdict(record))
        (self.folder / f'{step}.unfinished.json').unlink(missing_ok=True)

    def forget(self, step: str) -> None:
        (self.folder / f'{step}.json').unlink(missing_ok=True)
        (self.folder / f'{step}.unfinished.json').unlink(missing_ok=True)


def settings_key(settings: Any) -> str:
    """A short fingerprint of anything JSON can hold."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_json(path: Path, data: Any) -> None:
    """Write a file that is either the old one or whole, never half."""
    write_text(path, json.dumps(data, indent=2) + '\n')


def write_text(path: Path, text: str) -> None:
    """Write a file that is either the old one or whole, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    with temporary.open('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    return json.loads(path.read_text(encoding='utf-8'))
