"""The one-line text form of a loop's progress, written and read back."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The text stands alone on its line in a log that holds much else; the prefix
# is what a reader of that log searches for.
_PATTERN = re.compile(
    r'^\[progress\] (?P<phase>\w+) (?P<done>\d+)/(?P<total>\d+)'
    r', (?P<seconds>[\d.]+) s/it, ETA (?P<eta>[\d:]+)'
    r'(?:, loss (?P<loss>\S+))?$'
)


@dataclass(frozen=True)
class ProgressLine:
    """How far a training, validation or test loop has come.

    Attributes:
        phase: 'train', 'val' or 'test'.
        done: Iterations behind us, those of a resumed run included.
        total: Iterations of the whole loop.
        seconds_per_iteration: Measured in this process.
        loss: The training loss of the last iteration, None outside training.
    """

    phase: str
    done: int
    total: int
    seconds_per_iteration: float
    loss: float | None = None

    @property
    def eta_seconds(self) -> float:
        return (self.total - self.done) * self.seconds_per_iteration

    def __str__(self) -> str:
        text = (
            f'[progress] {self.phase} {self.done}/{self.total}'
            f', {self.seconds_per_iteration:.3f} s/it'
            f', ETA {format_duration(self.eta_seconds)}'
        )
        return text if self.loss is None else f'{text}, loss {self.loss:.4f}'

    @classmethod
    def parse(cls, line: str) -> ProgressLine | None:
        """The progress that a line of a log states, None if it states none."""
        match = _PATTERN.match(line.strip())
        if match is None:
            return None
        loss = match['loss']
        return cls(
            phase=match['phase'],
            done=int(match['done']),
            total=int(match['total']),
            seconds_per_iteration=float(match['seconds']),
            loss=None if loss is None else float(loss),
        )


def format_duration(seconds: float) -> str:
    """Seconds as minutes and seconds, '3:07', or with hours, '1:03:07'."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f'{hours}:{minute:02d}:{second:02d}'
    return f'{minute}:{second:02d}'
