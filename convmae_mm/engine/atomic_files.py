"""Files are whole or absent, whenever the process or the disk fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from convmae_mm.errors import DiskError
from convmae_mm.files import regular_file

_SUFFIX = '.part'


class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written beside their place, then moved there.

    What is read must be a file: a pipe would be waited for without end.
    """

    def get(self, filepath: str | Path) -> bytes:
        content: bytes = super().get(regular_file(filepath))
        return content

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        text: str = super().get_text(regular_file(filepath), encoding)
        return text

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; see :func:`write_whole`."""
        write_whole(Path(filepath), obj)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text; see :func:`write_whole`."""
        write_whole(Path(filepath), obj.encode(encoding))


def use_atomic_saving() -> None:
    """Let mmengine write all local files in one move; may be repeated."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, force it to the disk, move it there.

    Whatever was at its place stays until then.

    Raises:
        DiskError: With what is free, if the file cannot be written; nothing
            is left of it.
    """
    path = Path(os.path.realpath(path))
    beside = path.with_name(f'.{path.name}.{os.getpid()}{_SUFFIX}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a device or a pipe has no beside
            return
        with beside.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DiskError(describe_failure(path, error, len(content))) from error


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing; nobody else may write."""
    for file in folder.glob(f'.*{_SUFFIX}'):
        file.unlink(missing_ok=True)


def describe_failure(path: Path, error: OSError, size: int = 0) -> str:
    """One line: what could not be written, why, and how much is free."""
    needed = f' of {size / 2**20:,.1f} MiB' if size else ''
    reason = error.strerror or str(error)
    return f'cannot write {path}{needed}: {reason}; {describe_space(path)}'


def describe_space(path: Path) -> str:
    """How much is free where a file is, or would be."""
    there = next(x for x in (path, *path.absolute().parents) if x.exists())
    free = shutil.disk_usage(there).free
    return f'{free / 2**20:,.0f} MiB are free there'
