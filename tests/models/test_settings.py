"""Wrong settings end in one of our errors, whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fuzzing import cases, mutate_often, refused

from convmae_mm import ConvMAE
from convmae_mm.errors import UserError
from convmae_mm.models.necks import (
    ConvMAEClassifierNeck,
    ConvMAEPretrainDecoder,
    SimpleFPN,
)
from convmae_mm.models.selfsup import ConvMAEPretrain, ConvMAEPretrainHead

ARCH = dict(
    embed_dims=[4, 8, 8], depths=[1, 1, 2], num_heads=2, mlp_ratios=[1, 1, 1]
)
ENCODER = dict(
    arch=ARCH,
    mode='detection',
    img_size=[32, 32],
    pretrain_img_size=16,
    in_channels=3,
    window_size=2,
    window_block_indexes=[0],
    out_indices=[0, 3],
    drop_path_rate=0.1,
    frozen_stages=1,
    with_cp=[1, 2],
    init_cfg=dict(type='Constant', layer='Linear', val=0.0),
)
DECODER = dict(
    in_channels=[4, 8, 8],
    img_size=32,
    embed_dims=8,
    depth=1,
    num_heads=2,
    mlp_ratio=1.0,
    patch_size=16,
    out_channels=3,
    with_cp=False,
    init_cfg=None,
)
HEAD = dict(
    loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    norm_pix=True,
    patch_size=16,
    in_channels=3,
)
PRETRAINING = dict(
    backbone=dict(type='convmae_mm.ConvMAE', arch=ARCH, img_size=32),
    neck=dict(type='convmae_mm.ConvMAEPretrainDecoder', **DECODER),
    head=dict(type='convmae_mm.ConvMAEPretrainHead', **HEAD),
    mask_ratio=0.5,
    num_masks=2,
    data_preprocessor=dict(mean=[0, 0, 0], std=[1, 1, 1]),
)
PYRAMID = dict(in_channels=8, out_channels=4, num_outs=5, eps=1e-6)
POOLING = dict(in_channels=8, pooling='mean', init_cfg=None)
CASES: dict[str, tuple[Callable[..., Any], dict]] = {
    'encoder': (ConvMAE, ENCODER),
    'decoder': (ConvMAEPretrainDecoder, DECODER),
    'head': (ConvMAEPretrainHead, HEAD),
    'pretraining': (ConvMAEPretrain, PRETRAINING),
    'pyramid': (SimpleFPN, PYRAMID),
    'pooling': (ConvMAEClassifierNeck, POOLING),
}


def try_mutations(case: str, count: int, seed: int) -> int:
    """How many of ``count`` mutated settings, or more, are refused."""
    build, settings = CASES[case]
    told = 0
    for draw in cases(count, seed):
        changed = mutate_often(settings, draw)
        what = f'{case} with {changed}'
        words = refused(draw, what, build, **changed)
        assert '\n' not in words
        told += bool(words)
    return told


@pytest.mark.parametrize('case', CASES)
def test_unmutated_settings_are_taken(case: str) -> None:
    build, settings = CASES[case]
    build(**settings)


@pytest.mark.parametrize('case', CASES)
def test_mutated_settings_end_in_our_errors(case: str) -> None:
    assert try_mutations(case, 150, seed=1) > 50


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_many_mutated_settings_end_in_our_errors(case: str) -> None:
    assert try_mutations(case, 600, seed=2) > 200


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(backbone=dict(type='mmpretrain.ResNet', depth=18)), 'ResNet'),
        (
            dict(backbone={**PRETRAINING['backbone'], 'mode': 'seg'}),
            "mode='plain'",
        ),
        (dict(neck={**PRETRAINING['neck'], 'in_channels': [4, 8, 9]}), 'neck'),
        (dict(head={**PRETRAINING['head'], 'in_channels': 5}), 'head.in_ch'),
        (dict(head={**PRETRAINING['head'], 'norm_pix': [None]}), 'norm_pix'),
    ],
)
def test_parts_that_do_not_fit_together(settings: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ConvMAEPretrain(**{**PRETRAINING, **settings})


def test_widths_are_stated_once() -> None:
    encoder = {**PRETRAINING['backbone'], 'in_channels': 5}
    neck = dict(type='convmae_mm.ConvMAEPretrainDecoder', num_heads=2)
    head = dict(type='convmae_mm.ConvMAEPretrainHead', loss=HEAD['loss'])
    neck |= dict(embed_dims=8, depth=1)
    model = ConvMAEPretrain(encoder, neck, head)
    assert model.neck.grid == (2, 2)
    images = torch.randn(2, 5, 32, 32)
    assert model.loss(images)['loss'].isfinite()
