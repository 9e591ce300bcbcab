"""Processes of a session, waiting for them, and a port for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

SECONDS_TO_END = 60


def members(session: int) -> list[int]:
    """Processes of a session that are not zombies."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, _, its = stat.read_text().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != 'Z':
            found.append(int(stat.parent.name))
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS_TO_END
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return int(sock.getsockname()[1])
