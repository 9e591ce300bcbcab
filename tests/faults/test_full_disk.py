"""A disk that is full ends a training well, and it goes on when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_pretraining import check_same_end, environment, write_config

SCRIPT = Path(__file__).with_name('full_disk.py')
# A place of one's own to mount at, which goes with its processes.
ALONE = ('unshare', '--map-root-user', '--mount')


def may_mount() -> bool:
    if shutil.which(ALONE[0]) is None:
        return False
    mount = 'mount -t tmpfs tmpfs /mnt'
    tried = subprocess.run([*ALONE, 'sh', '-c', mount], capture_output=True)
    return tried.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason='no right to mount here')
def test_a_full_disk_ends_it_and_a_larger_one_goes_on(tmp_path):
    config = write_config(tmp_path)
    done = subprocess.run(
        [*ALONE, sys.executable, SCRIPT, config, tmp_path],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = (tmp_path / 'full.log').read_text()
    assert 'Traceback' not in told
    last = [x for x in told.splitlines() if x.startswith('convmae-mm')]
    assert len(last) == 1, told[-3000:]
    assert 'epoch_3.pth' in last[0]
    assert 'No space left on device' in last[0]
    check_same_end(tmp_path / 'whole', tmp_path / 'full')
