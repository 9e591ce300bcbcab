"""Processes that end with the one that started them, and own a folder."""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import DiskError, UserError

LOCK_FILE = '.lock'
# How launchers tell a process its number, and how many there are.
LAUNCHED = {
    'pytorch': ('RANK', 'WORLD_SIZE'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'),
}
SHARED_MEMORY = Path('/dev/shm')
LEFT_BEHIND = 60  # seconds after which nobody is on the way to fetch it
_PR_SET_PDEATHSIG = 1


class FolderInUseError(UserError, OSError):
    """A folder that another process is writing into."""


def place_among(launcher: str | None) -> tuple[int, int]:
    """The number of this process and how many there are.

    Known before they talk to each other, which mmengine's own functions need.

    Args:
        launcher: Of the config; 'none' is a single process, whatever a
            surrounding job has left in the environment.
    """
    if launcher not in LAUNCHED:
        return 0, 1
    rank, size = LAUNCHED[launcher]
    return int(os.environ.get(rank, 0)), int(os.environ.get(size, 1))


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends.

    A child is told of the end of its parent by nothing else: a data worker
    waits at a pipe whose other end it holds itself, for ever. Call it first
    thing in the child. Nothing happens on other systems than Linux.
    """
    if sys.platform != 'linux':
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    # It ended before we asked; in a container it may well be number 1.
    if parent is not None and os.getppid() == 1 != parent.pid:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def own_folder(folder: str | Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is made if need be.

    The lock ends with this process, however that ends, and is not handed on
    to its children. The empty file ``.lock`` stays.

    Raises:
        FolderInUseError: If another process, or another part of this one,
            owns it.
        DiskError: If the folder cannot be made or written to.
    """
    path = Path(folder) / LOCK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open('a+')
    except OSError as error:
        raise DiskError(
            f'cannot write into {folder}: {error.strerror}; name another '
            'folder'
        ) from error
    os.register_at_fork(after_in_child=file.close)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise FolderInUseError(
                f'{folder} is in use by process {file.read().strip()}: wait '
                'for it, end it, or name another folder'
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def clear_shared_memory(folder: Path = SHARED_MEMORY) -> None:
    """Remove batches that killed processes of ours have left in memory.

    torch names a batch on its way from a data worker ``torch_PID_...`` for
    an instant, and a kill in that instant leaves it there.

    Args:
        folder: Where the system keeps shared memory.
    """
    for file in folder.glob('torch_*_*'):
        number = file.name.split('_')[1]
        if not number.isdigit() or Path('/proc', number).exists():
            continue
        with suppress(OSError):  # somebody else's, or gone
            status = file.stat()
            old = time.time() - status.st_mtime > LEFT_BEHIND
            if old and status.st_uid == os.getuid():
                file.unlink()
