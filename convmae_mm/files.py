"""What a file must be before it is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import DataError


def regular_file(path: str | os.PathLike) -> Path:
    """A path, unless opening what is there could wait for ever.

    Raises:
        FileNotFoundError: If nothing is there.
        DataError: If it is a pipe, a socket or a device.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(
            f'{os.fspath(path)} is a pipe, a socket or a device, no file: '
            'remove it, or name another'
        )
    return Path(path)
