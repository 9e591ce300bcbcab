"""Two processes make the step that one makes with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import free_port

from convmae_mm.datasets.digit_scenes import generate_digit_scenes

SCRIPT = Path(__file__).with_name('first_step.py')


def call(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-5000:]


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> tuple[dict, dict]:
    """By one process with four images, by two with two each."""
    folder = tmp_path_factory.mktemp('steps')
    data = folder / 'scenes'
    generate_digit_scenes(data, train=4, val=1, size=(64, 64), progress=False)
    one, two = folder / 'one.json', folder / 'two.json'
    call(SCRIPT, one, f'{data}/', '4')
    call(
        *('-m', 'torch.distributed.run', '--nproc-per-node=2'),
        *(f'--master-port={free_port()}', SCRIPT, two, f'{data}/', '2'),
    )
    return json.loads(one.read_text()), json.loads(two.read_text())


@pytest.mark.slow
@pytest.mark.parametrize('task', ['pretrain', 'mask-rcnn', 'upernet'])
def test_the_first_loss_and_gradient_are_the_same(results, task):
    one, two = (
        next(value for name, value in result.items() if task in name)
        for result in results
    )
    assert one['loss'] > 0.1
    assert two['loss'] == pytest.approx(one['loss'], rel=1e-5)
    # Steps of plain gradient descent with a rate of 1: the gradients.
    assert max(one['moved'].values()) > 1e-3
    assert two['moved'] == pytest.approx(one['moved'], rel=1e-3, abs=1e-6)
