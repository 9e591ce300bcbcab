"""A training on a disk that is full, and then is not; a script.

unshare --map-root-user --mount python full_disk.py CONFIG FOLDER

Trains in FOLDER/whole, then in a file system in memory that holds ROOM
checkpoints; that is enlarged, the training goes on, and what it wrote is in
FOLDER/full.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmpretrain.datasets
import mmpretrain.models  # noqa: F401  imported once for all
from kills import start

from convmae_mm.apis.resumption import why_not_whole

ROOM = 2.5


def train(config: Path, work_dir: Path, log: Path) -> int:
    """In a process of its own; its exit code."""
    line = ['train', str(config), '--seed', '0', '--no-check']
    line += ['--resume', 'auto', '--work-dir', str(work_dir)]
    _, status = os.waitpid(start(line, log, lambda: None), 0)
    return os.waitstatus_to_exitcode(status)


def run() -> None:
    config, folder = map(Path, sys.argv[1:])
    assert train(config, folder / 'whole', folder / 'whole.log') == 0
    size = (folder / 'whole' / 'epoch_10.pth').stat().st_size
    disk = folder / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', 'tmpfs', disk, '-o']
    subprocess.run([*mount, f'size={int(ROOM * size)}'], check=True)
    assert train(config, disk, folder / 'full.log') == 1
    kept = sorted(disk.glob('*.pth'))
    assert [x.name for x in kept] == ['epoch_1.pth', 'epoch_2.pth']
    assert [why_not_whole(x) for x in kept] == [None, None]
    assert not list(disk.rglob('.*.part'))
    subprocess.run([*mount, 'remount,size=64m'], check=True)
    assert train(config, disk, folder / 'enlarged.log') == 0
    shutil.copytree(disk, folder / 'full')


if __name__ == '__main__':
    run()
