"""The launch scripts pass every argument on as it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'

# With spaces, quotes, a glob and an empty one: what a shell would mangle.
CONFIG = 'my configs/a b.py'
OPTIONS = [
    *('--work-dir', 'out dir/$HOME', '--resume', 'auto', '--cfg-options'),
    *("model.name='it is'", 'data.pattern=**/*.jpg', 'empty='),
]


@pytest.fixture
def launch(tmp_path):
    """Runs a script with stand-ins for srun and Python.

    They write their arguments down, one after a zero byte each.
    """
    record = tmp_path / 'called with'
    folder = tmp_path / 'stand ins'
    folder.mkdir()
    for name in ('srun', 'python'):
        stub = folder / name
        stub.write_text(
            '#!/usr/bin/env bash\n'
            f'printf "%s\\0" {name} "$@" > "$RECORD"\n'
            'exit "${STATUS:-0}"\n'
        )
        stub.chmod(0o755)

    def run(script: str, *arguments: str, **env: str):
        done = subprocess.run(
            ['bash', str(TOOLS / script), *arguments],
            env=dict(
                os.environ,
                PATH=f'{folder}{os.pathsep}{os.environ["PATH"]}',
                RECORD=str(record),
                **env,
            ),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
        )
        seen = record.read_text().split('\0')[:-1] if record.exists() else []
        return done, seen

    return run


def test_slurm_training(launch):
    srun = ['--nodes=2', '--job-name', 'my job', '--gpus-per-node=8']
    done, seen = launch('slurm_train.sh', *srun, '--', CONFIG, *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert seen == [
        *('srun', '--kill-on-bad-exit=1', *srun),
        *('python', '-u', str(TOOLS / 'train.py'), CONFIG, *OPTIONS),
        *('--launcher', 'slurm'),
    ]


def test_slurm_testing_inside_an_allocation(launch):
    python = '/opt/my python/bin/python'
    done, seen = launch(
        *('slurm_test.sh', '--', CONFIG, 'a b.pth', '--out', 'my scores.json'),
        PYTHON=python,
    )
    assert done.returncode == 0, done.stderr
    assert seen == [
        *('srun', '--kill-on-bad-exit=1', python, '-u'),
        *(str(TOOLS / 'test.py'), CONFIG, 'a b.pth'),
        *('--out', 'my scores.json', '--launcher', 'slurm'),
    ]


def torchrun(nodes: str, rank: str, head: str, port: str, gpus: str):
    return [
        *('python', '-m', 'torch.distributed.run', f'--nnodes={nodes}'),
        *(f'--node-rank={rank}', f'--master-addr={head}'),
        *(f'--master-port={port}', f'--nproc-per-node={gpus}'),
    ]


def test_several_machines(launch):
    done, seen = launch(
        *('multi_node_train.sh', '4', '3', 'gpu-0', CONFIG, '8', *OPTIONS),
        PORT='29999',
    )
    assert done.returncode == 0, done.stderr
    assert seen == [
        *torchrun('4', '3', 'gpu-0', '29999', '8'),
        *(str(TOOLS / 'train.py'), CONFIG, '--launcher', 'pytorch', *OPTIONS),
    ]


@pytest.mark.parametrize('kind', ['train', 'test'])
def test_one_machine(launch, kind):
    positional = [CONFIG] if kind == 'train' else [CONFIG, 'a b.pth']
    done, seen = launch(f'dist_{kind}.sh', *positional, '2', *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert seen == [
        *torchrun('1', '0', '127.0.0.1', '29500', '2'),
        *(str(TOOLS / f'{kind}.py'), *positional),
        *('--launcher', 'pytorch', *OPTIONS),
    ]


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [
        ('slurm_train.sh', ['--nodes=2', CONFIG]),
        ('slurm_train.sh', ['--nodes=2', '--']),
        ('slurm_test.sh', ['--', CONFIG]),
        ('multi_node_train.sh', ['2', '0', 'gpu-0', CONFIG]),
        ('dist_train.sh', [CONFIG]),
        ('dist_test.sh', [CONFIG, '8']),
    ],
)
def test_too_few_arguments_show_the_usage(launch, script, arguments):
    done, seen = launch(script, *arguments)
    assert (done.returncode, seen) == (2, [])
    assert 'usage: ' in done.stderr


def test_machines_count_from_zero(launch):
    done, seen = launch('multi_node_train.sh', '2', '2', 'h', CONFIG, '8')
    assert (done.returncode, seen) == (2, [])
    assert 'NODE=2 must be 0 to NODES - 1 = 1' in done.stderr


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [
        ('slurm_train.sh', ['--', CONFIG]),
        ('multi_node_train.sh', ['1', '0', 'h', CONFIG, '1']),
    ],
)
def test_a_failure_is_passed_on(launch, script, arguments):
    """Slurm requeues, and torchrun restarts, by the exit code."""
    assert launch(script, *arguments, STATUS='7')[0].returncode == 7
