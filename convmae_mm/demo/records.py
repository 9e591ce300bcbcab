"""What the demo remembers between two runs, written atomically."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convmae_mm.engine.atomic_files import write_whole

RECORDS = 'steps'  # folder of the records in that of the demo


@dataclass(frozen=True)
class StepRecord:
    """When a step ran, and with which settings.

    Attributes:
        key: Of the settings and of everything the step was made from.
        spans: Start and end of each attempt, in seconds since 1970.
    """

    key: str
    spans: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """Wall-clock time, interrupted attempts included."""
        return sum(end - start for start, end in self.spans)

    @property
    def finished(self) -> float:
        return self.spans[-1][1]


class Records:
    """The folder that holds the records of all steps.

    Args:
        folder: Made when the first record is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, step: str) -> StepRecord | None:
        """The record of a step that has ended."""
        return _read_record(self.folder / f'{step}.json')

    def unfinished(self, step: str) -> StepRecord | None:
        """The record of a step under way, or cut short, as last renewed."""
        return _read_record(self.folder / f'{step}.unfinished.json')

    def keep_unfinished(self, step: str, record: StepRecord) -> None:
        write_json(self.folder / f'{step}.unfinished.json', asdict(record))

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
    write_whole(path, text.encode())


def _read_record(path: Path) -> StepRecord | None:
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding='utf-8'))
    return StepRecord(
        data['key'], tuple((start, end) for start, end in data['spans'])
    )
