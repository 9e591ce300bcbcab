"""The simple feature pyramid and its norm."""

from __future__ import annotations

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from convmae_mm.layers.channel_norm import ChannelLayerNorm
from convmae_mm.models.necks import SimpleFPN
from convmae_mm.registry import MODELS

CHANNELS = 8


def test_levels_have_their_strides() -> None:
    neck = SimpleFPN(CHANNELS, out_channels=6, num_outs=6)
    levels = neck((torch.randn(2, CHANNELS, 8, 6),))
    sizes = [(32, 24), (16, 12), (8, 6), (4, 3), (2, 2), (1, 1)]
    assert [tuple(x.shape) for x in levels] == [(2, 6, *s) for s in sizes]


def test_an_odd_grid_keeps_its_last_row() -> None:
    neck = SimpleFPN(CHANNELS, out_channels=6)
    sizes = [x.shape[-2:] for x in neck((torch.randn(1, CHANNELS, 5, 7),))]
    assert sizes == [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]


def test_only_the_last_map_counts() -> None:
    neck = SimpleFPN(CHANNELS, out_channels=6)
    last = torch.randn(1, CHANNELS, 4, 4)
    first = torch.full((1, 3, 16, 16), torch.nan)
    for alone, among in zip(neck((last,)), neck((first, last)), strict=True):
        assert torch.equal(alone, among)


def test_levels_are_independent_of_each_other() -> None:
    """There is no top-down path, and p6 takes from p5 alone."""
    neck = SimpleFPN(CHANNELS, out_channels=6)
    maps = (torch.randn(1, CHANNELS, 4, 4),)
    before = neck(maps)
    nn.init.zeros_(neck.fpn_convs[1].conv.weight)
    after = neck(maps)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True, True, True]
    assert torch.equal(after[4], after[3][:, :, ::2, ::2])


def test_every_parameter_learns() -> None:
    neck = SimpleFPN(CHANNELS, out_channels=6)
    levels = neck((torch.randn(1, CHANNELS, 4, 4),))
    sum((x**3).sum() for x in levels).backward()
    assert all(p.grad.abs().sum() > 0 for p in neck.parameters())


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match='num_outs=3'):
        SimpleFPN(CHANNELS, num_outs=3)
    with pytest.raises(ValueError, match='in_channels=6'):
        SimpleFPN(6)


def test_builds_by_name() -> None:
    neck = dict(type='convmae_mm.SimpleFPN', in_channels=CHANNELS)
    assert isinstance(MODELS.build(neck), SimpleFPN)


def test_the_norm_is_over_the_channels_of_each_position() -> None:
    norm = ChannelLayerNorm(CHANNELS)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(2, CHANNELS, 3, 5)
    expected = torch.stack(
        [
            nn.functional.layer_norm(
                x[..., i, j], (CHANNELS,), norm.weight, norm.bias, 1e-6
            )
            for i in range(3)
            for j in range(5)
        ],
        dim=-1,
    ).reshape(x.shape)
    torch.testing.assert_close(norm(x), expected)


def test_mmcv_builds_the_norm() -> None:
    norm_cfg = dict(type='convmae_mm.LN2d', eps=1e-3)
    module = ConvModule(3, CHANNELS, 1, norm_cfg=norm_cfg)
    assert isinstance(module.ln, ChannelLayerNorm)
    assert module.ln.eps == 1e-3
    assert module.conv.bias is None
