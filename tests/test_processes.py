from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from convmae_mm.processes import clear_shared_memory


def test_only_old_batches_of_dead_processes_go(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    old, fresh, ours, other = (
        tmp_path / f'torch_{ended.pid}_7_1',
        tmp_path / f'torch_{ended.pid}_7_2',
        tmp_path / f'torch_{os.getpid()}_7_1',
        tmp_path / 'torch_x_1',
    )
    for file in (old, fresh, ours, other):
        file.touch()
        if file is not fresh:
            os.utime(file, (0, 0))
    clear_shared_memory(tmp_path)
    assert {x.name for x in tmp_path.iterdir()} == {
        fresh.name,
        ours.name,
        other.name,
    }
