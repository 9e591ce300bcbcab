"""The dense reference computes what the package computes."""

from __future__ import annotations

import pytest
import torch
from dense_reference import (
    DecoderSize,
    DenseConvMAE,
    DensePretrain,
    copy_weights,
)
from torch import Tensor, nn

from convmae_mm.models.backbones.convmae import ConvMAE
from convmae_mm.models.selfsup import ConvMAEPretrain
from convmae_mm.variants import resolve_arch, resolve_mode

DIMS, HEADS = (8, 12, 16), 2
ARCH = dict(
    embed_dims=DIMS, depths=(1, 2, 3), num_heads=HEADS, mlp_ratios=(2, 2, 3)
)
DECODER = dict(embed_dims=16, depth=2, num_heads=4)


def randomise(model: nn.Module) -> None:
    """Draw what fresh networks have at zero or one."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(0.1 * noise)


def assert_close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    error = (actual - expected).abs().max() / expected.abs().max()
    assert error < 1e-4


@pytest.mark.parametrize('size', [(224, 224), (96, 160)])
@pytest.mark.parametrize('num_masks', [1, 4])
def test_pretraining(size: tuple[int, int], num_masks: int) -> None:
    torch.manual_seed(0)
    ours = ConvMAEPretrain(
        backbone=dict(type='convmae_mm.ConvMAE', arch=ARCH, img_size=size),
        neck=dict(
            type='convmae_mm.ConvMAEPretrainDecoder',
            in_channels=DIMS,
            img_size=size,
            **DECODER,
        ),
        head=dict(
            type='convmae_mm.ConvMAEPretrainHead',
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        num_masks=num_masks,
    )
    randomise(ours)
    dense = DensePretrain(
        ours.backbone.arch,
        ours.backbone.settings,
        size,
        DecoderSize(*DECODER.values()),
        num_masks=num_masks,
    )
    copy_weights(ours, dense)
    images = torch.randn(2, 3, *size)
    noise = torch.rand(2, size[0] * size[1] // 256)
    output = ours.run_masked(images, noise)
    pred, loss = dense(images, noise)
    assert_close(output.pred, pred)
    assert_close(output.loss, loss)
    output.loss.backward()
    loss.backward()
    for name in ('patch_embed1.proj', 'patch_embed4'):
        assert_close(
            ours.backbone.get_submodule(name).weight.grad,
            dense.get_submodule(name).weight.grad,
        )
    for stem in ('blocks1.0', 'blocks2.1'):
        assert_close(
            ours.backbone.get_submodule(f'{stem}.depthwise').weight.grad,
            dense.get_submodule(f'{stem}.attn').weight.grad,
        )


@pytest.mark.parametrize(
    ('mode', 'options'),
    [
        ('plain', {}),
        ('seg', {}),
        ('detection', {'window_block_indexes': (0, 2), 'window_size': 4}),
        ('mimdet', {'window_block_indexes': (1,), 'window_size': 3}),
        ('vitdet', {'window_block_indexes': (0, 2), 'window_size': 4}),
    ],
)
def test_backbone(mode: str, options: dict) -> None:
    torch.manual_seed(0)
    size = (96, 144)
    ours = ConvMAE(arch=ARCH, mode=mode, img_size=size, **options)
    randomise(ours)
    dense = DenseConvMAE(ours.arch, ours.settings, size)
    copy_weights(ours, dense)
    images = torch.randn(2, 3, *size)
    expected, actual = dense.train()(images), ours.train()(images)
    assert len(actual) == len(expected) == (1 if mode == 'vitdet' else 4)
    for ours_map, dense_map in zip(actual, expected, strict=True):
        assert_close(ours_map, dense_map)
    for outputs in (actual, expected):
        sum(output.square().mean() for output in outputs).backward()
    weight = 'patch_embed1.proj'
    assert_close(
        ours.get_submodule(weight).weight.grad,
        dense.get_submodule(weight).weight.grad,
    )


def test_a_network_of_another_shape_is_refused() -> None:
    ours = ConvMAE(arch=ARCH, img_size=64)
    wider = resolve_arch(ARCH | dict(embed_dims=(8, 12, 24)))
    mode = resolve_mode('plain', 3)
    dense = DenseConvMAE(wider, mode, (64, 64))
    with pytest.raises(RuntimeError, match='size mismatch'):
        copy_weights(ours, dense)
