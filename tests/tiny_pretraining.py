"""A tiny pretraining that other processes run, and are killed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch

import convmae_mm  # noqa: F401  tells torch which types are harmless

TESTS = Path(__file__).parent
# the package, the helpers of the tests, and those of the faults
PATHS = [TESTS.parent, TESTS, TESTS / 'faults']
STEPS = 20
MODEL = """
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
"""
CONFIG = f"""{MODEL}train_dataloader = dict(
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


def write_config(folder: Path) -> Path:
    """The config, with its four pictures beside it."""
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        mmcv.imwrite(pixels, str(folder / 'data' / f'{index}.png'))
    config = folder / 'tiny.py'
    config.write_text(CONFIG.replace('DATA', str(folder / 'data')))
    return config


def environment(**more: str) -> dict[str, str]:
    """What its process needs: one thread, no GPU, our modules."""
    return dict(
        os.environ,
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        PYTHONPATH=os.pathsep.join(map(str, PATHS)),
        **more,
    )


def check_same_end(one: Path, other: Path) -> None:
    """Two work directories hold the same training, to the last bit."""
    last: list[dict[str, Any]] = [
        torch.load(folder / 'epoch_10.pth', weights_only=True)
        for folder in (one, other)
    ]
    assert [x['meta']['iter'] for x in last] == [STEPS, STEPS]
    states = [x['optimizer']['state'] for x in last]
    for name, tensor in last[0]['state_dict'].items():
        assert torch.equal(tensor, last[1]['state_dict'][name]), name
    for number, state in states[0].items():
        same = torch.equal(state['exp_avg'], states[1][number]['exp_avg'])
        assert same, number
