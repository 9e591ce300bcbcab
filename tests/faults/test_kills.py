"""Killed at random moments, a training comes to the same end.

CONVMAE_MM_KILLS=100 asks for more kills.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch

import convmae_mm  # noqa: F401  tells torch which types are harmless

SCRIPT = Path(__file__).with_name('kills.py')
KILLS = int(os.environ.get('CONVMAE_MM_KILLS', 24))
# the package and the helpers of the tests
PATHS = [SCRIPT.parents[2], SCRIPT.parents[1]]
OF_ONE = 6  # of one training, which then goes on to its end
CONFIG = """
default_scope = 'mmpretrain'
arch = dict(embed_dims=[8, 16, 32], depths=[1, 1, 2], num_heads=2)
model = dict(
    type='convmae_mm.ConvMAEPretrain',
    data_preprocessor=dict(type='SelfSupDataPreprocessor', to_rgb=True),
    backbone=dict(type='convmae_mm.ConvMAE', arch=arch, img_size=32),
    neck=dict(
        type='convmae_mm.ConvMAEPretrainDecoder',
        in_channels=[8, 16, 32], img_size=32,
        embed_dims=16, depth=1, num_heads=2,
    ),
    head=dict(
        type='convmae_mm.ConvMAEPretrainHead',
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='convmae_mm.UnlabelledImageFolder',
        data_root='DATA',
        pipeline=[
            dict(type='convmae_mm.LoadRGBImage'),
            dict(type='convmae_mm.RandomResizedCrop', scale=32),
            dict(type='PackInputs'),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = dict(type='CosineAnnealingLR', T_max=20, by_epoch=False)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
"""


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(-(-KILLS // OF_ONE)))
def test_a_killed_training_comes_to_the_same_end(tmp_path, seed):
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        mmcv.imwrite(pixels, str(tmp_path / 'data' / f'{index}.png'))
    config = tmp_path / 'tiny.py'
    config.write_text(CONFIG.replace('DATA', str(tmp_path / 'data')))
    done = subprocess.run(
        [sys.executable, SCRIPT, config, tmp_path, str(seed), str(OF_ONE)],
        env=dict(
            os.environ,
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            PYTHONPATH=os.pathsep.join(map(str, PATHS)),
        ),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    kills = [json.loads(x) for x in done.stdout.splitlines() if '{' in x]
    assert len(kills) == OF_ONE
    whole, killed = (
        torch.load(tmp_path / name / 'epoch_10.pth', weights_only=True)
        for name in ('whole', 'killed')
    )
    assert whole['meta']['iter'] == killed['meta']['iter'] == 20
    for name, tensor in whole['state_dict'].items():
        assert torch.equal(tensor, killed['state_dict'][name]), name
    states = [x['optimizer']['state'] for x in (whole, killed)]
    for number, state in states[0].items():
        same = torch.equal(state['exp_avg'], states[1][number]['exp_avg'])
        assert same, number
