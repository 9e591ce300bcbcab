"""The FSDP fragment: it parses, wraps what it should and trains one step.

On a CPU, in one process: FSDP shards nothing then, but wraps, names and
optimises as it would on GPUs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from convmae_mm import apis
from convmae_mm.apis.resumption import why_not_whole
from convmae_mm.datasets.digit_scenes import generate_digit_scenes

CONFIG = """
_base_ = ['convmae_mm::quickstart/convmae-tiny_classification_digit-scenes.py',
          'convmae_mm::_base_/fsdp.py']
model = dict(backbone=dict(init_cfg=None))
optim_wrapper = dict(
    # fused: not for CPUs
    optimizer=dict(fused=False),
    paramwise_cfg=dict(flat_decay_mult=1.0))
strategy = dict(model_wrapper=dict(device_id='cpu'))
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(data_root='DATA'))
train_cfg = dict(max_epochs=1)
val_cfg = None
val_dataloader = None
val_evaluator = None
"""

SCRIPT = """
import json, sys
from convmae_mm import apis
from convmae_mm.layers import TransformerBlock
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

runner = apis.train(sys.argv[1], work_dir=sys.argv[2], launcher='pytorch')
wrapped = [type(x.module).__name__ for x in runner.model.modules()
           if isinstance(x, FSDP)]
groups = runner.optim_wrapper.optimizer.param_groups
loss = runner.message_hub.get_scalar('train/loss').data[0][0]
print('RESULT' + json.dumps([wrapped, len(groups), float(loss)]))
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('fsdp')
    generate_digit_scenes(
        *(root / 'scenes', 2, 1, (32, 32)),
        crops_per_scene=5,
        crop_size=32,
        progress=False,
    )
    path = root / 'sharded.py'
    path.write_text(CONFIG.replace('DATA', f'{root}/scenes/'))
    return path


def test_it_parses_and_the_scopes_are_right(config):
    cfg = apis.training_config(config)
    assert cfg.runner_type == 'FlexibleRunner'
    assert cfg.strategy.type == 'FSDPStrategy'
    # Inherited through `convmae_mm::`, modules of mmpretrain must be found.
    assert '_scope_' not in json.dumps(cfg._cfg_dict)


def test_a_rule_for_flat_parameters_is_refused(config):
    with pytest.raises(ValueError, match='would meet every parameter'):
        apis.training_config(
            config,
            cfg_options={'optim_wrapper.paramwise_cfg.flat_decay_mult': 0.0},
        )


@pytest.mark.slow
def test_it_wraps_the_blocks_and_trains(config, tmp_path):
    plain = config.with_name('plain.py')
    lines = CONFIG.replace('DATA', f'{config.parent}/scenes/')
    lines = lines.replace(",\n          'convmae_mm::_base_/fsdp.py'", '')
    plain.write_text(lines.replace('strategy =', 'unused ='))
    expected = apis.train(plain, work_dir=tmp_path / 'plain')
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(config), str(tmp_path / 'w')],
        env=dict(
            os.environ,
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            RANK='0',
            LOCAL_RANK='0',
            WORLD_SIZE='1',
            MASTER_ADDR='127.0.0.1',
            # 0: the only process serves at any free port
            MASTER_PORT='0',
        ),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    (line,) = [x for x in done.stdout.splitlines() if x.startswith('RESULT')]
    wrapped, num_groups, loss = json.loads(line.removeprefix('RESULT'))
    assert wrapped == ['ImageClassifier'] + 3 * ['TransformerBlock']
    assert num_groups == len(expected.optim_wrapper.optimizer.param_groups)
    history = expected.message_hub.get_scalar('train/loss').data[0]
    assert loss == pytest.approx(float(history[0]), rel=1e-5)
    assert why_not_whole(tmp_path / 'w' / 'epoch_1.pth') is None
