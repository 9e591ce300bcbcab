"""What a diagnosis consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        severity: 'error' if something will not work, else 'warning'.
        problem: What is wrong, one line.
        remedy: What to do about it, one line.
        explains: Modules whose failing import this explains.
    """

    severity: Literal['error', 'warning']
    problem: str
    remedy: str
    explains: tuple[str, ...] = ()
