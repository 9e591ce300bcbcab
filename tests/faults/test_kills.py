"""Killed at random moments, a training comes to the same end.

CONVMAE_MM_KILLS=100 asks for more kills.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_pretraining import check_same_end, environment, write_config

SCRIPT = Path(__file__).with_name('kills.py')
KILLS = int(os.environ.get('CONVMAE_MM_KILLS', 24))
OF_ONE = 6  # of one training, which then goes on to its end


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(-(-KILLS // OF_ONE)))
def test_a_killed_training_comes_to_the_same_end(tmp_path, seed):
    config = write_config(tmp_path)
    done = subprocess.run(
        [sys.executable, SCRIPT, config, tmp_path, str(seed), str(OF_ONE)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    kills = [json.loads(x) for x in done.stdout.splitlines() if '{' in x]
    assert len(kills) == OF_ONE
    check_same_end(tmp_path / 'whole', tmp_path / 'killed')
