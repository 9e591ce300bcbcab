"""What a file or a folder must be before it is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import DataError, DiskError


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


def existing_folder(path: Path, what: str = 'pictures') -> Path:
    """A path, unless no folder is there.

    Args:
        path: Of the folder.
        what: It should hold.

    Raises:
        FileNotFoundError: If nothing is there.
        DataError: If it is a file.
    """
    if path.is_dir():
        return path
    if path.exists():
        raise DataError(f'{path} is a file: name a folder of {what}')
    raise FileNotFoundError(
        f'the folder of {what} {path} (= {path.absolute()}) does not exist'
    )


def writable(path: Path) -> Path:
    """A path, unless no file could be written there.

    Raises:
        DiskError: If it is a folder, or in one that cannot be made or
            written.
    """
    if path.is_dir():
        raise DiskError(f'{path} is a folder: name a file in it')
    there = next(x for x in path.absolute().parents if x.exists())
    if not there.is_dir():
        raise DiskError(f'cannot write {path}: {there} is a file, no folder')
    if not os.access(there, os.W_OK | os.X_OK):
        raise DiskError(f'cannot write {path}: {there} cannot be written')
    return path
