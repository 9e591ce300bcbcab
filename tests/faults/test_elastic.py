"""torchrun starts a training again that lost a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_pretraining import check_same_end, environment, write_config

SCRIPT = Path(__file__).parents[2] / 'tools' / 'train.py'
# Each process has one picture in a batch; the hook acts in the killed one.
CHANGES = """
train_dataloader.update(batch_size=1, num_workers=0)
custom_imports = dict(imports=['killed_once'])
custom_hooks = [dict(type='KilledOnce', step=STEP)]
"""


def train(config: Path, work_dir: Path) -> str:
    """By two processes, which may be started twice; what they said."""
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone'),
            *('--nproc-per-node=2', '--max-restarts=1', SCRIPT, config),
            *('--launcher', 'pytorch', '--resume', 'auto', '--no-check'),
            *('--seed', '0', '--work-dir', work_dir),
        ],
        # else torch keeps the addresses of processes that are gone
        env=environment(TORCH_DISABLE_SHARE_RDZV_TCP_STORE='1'),
        capture_output=True,
        text=True,
        timeout=400,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-5000:]
    return told


@pytest.mark.slow
def test_a_lost_process_is_started_again_from_the_last_checkpoint(tmp_path):
    config = write_config(tmp_path)
    text = config.read_text() + CHANGES
    told = {}
    for name, step in (('whole', 0), ('killed', 5)):
        config.write_text(text.replace('STEP', str(step)))
        told[name] = train(config, tmp_path / name)
    assert 'exitcode: -9' in told['killed']
    assert 'exitcode: -' not in told['whole']
    assert 'resumed epoch: 2, iter: 4' in told['killed']
    check_same_end(tmp_path / 'whole', tmp_path / 'killed')
