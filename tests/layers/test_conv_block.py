from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convmae_mm.layers import (
    DEPTHWISE_MARGIN,
    ConvPatchEmbed,
    MaskedConvBlock,
    PatchConv,
)
from convmae_mm.ops.masked_convolution import locate_surroundings
from convmae_mm.ops.masking import mask_from_noise
from convmae_mm.ops.patches import gather_patches


def dense_masked_block(
    block: MaskedConvBlock, x_bhwc: Tensor, mask_bhw: Tensor
) -> Tensor:
    """The block as the paper states it: all positions, mask multiplied."""
    mixed = block.conv1(block.norm1(x_bhwc)) * ~mask_bhw[..., None]
    weight, bias = block.depthwise.weight, block.depthwise.bias
    mixed = F.conv2d(
        mixed.permute(0, 3, 1, 2), weight, bias, padding=2, groups=len(weight)
    ).permute(0, 2, 3, 1)
    x_bhwc = x_bhwc + block.conv2(mixed)
    return x_bhwc + block.mlp(block.norm2(x_bhwc))


@pytest.mark.parametrize('cells', [2, 4])
def test_visible_patches_equal_the_masked_convolution(cells: int) -> None:
    torch.manual_seed(0)
    block = MaskedConvBlock(8).double()
    grid = (4, 6)
    patches = mask_from_noise(torch.rand(2, 24), 7)
    ids_keep = patches.ids_keep
    surroundings = locate_surroundings(ids_keep, grid, cells, DEPTHWISE_MARGIN)
    whole = torch.randn(
        2, 4 * cells, 6 * cells, 8, dtype=torch.float64, requires_grad=True
    )
    mask = patches.mask.reshape(2, *grid)
    mask = mask.repeat_interleave(cells, 1).repeat_interleave(cells, 2)

    expected = dense_masked_block(block, whole, mask)
    expected = gather_patches(expected, ids_keep, cells)
    actual = block(gather_patches(whole, ids_keep, cells), surroundings)
    assert torch.allclose(actual, expected, atol=1e-12)

    inputs = [whole, *block.parameters()]
    weight = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weight).sum(), inputs)
    got = torch.autograd.grad((actual * weight).sum(), inputs)
    for ours, theirs in zip(got, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize('stride', [2, 4])
def test_patch_convolution_is_the_convolution(stride: int) -> None:
    torch.manual_seed(0)
    ours = PatchConv(3, 8, stride).double()
    theirs = nn.Conv2d(3, 8, stride, stride).double()
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 8, 12, 3, dtype=torch.float64, requires_grad=True)
    got = ours(maps)
    expected = theirs(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.allclose(got, expected, atol=1e-12)
    gradient = torch.randn_like(got)
    for a, b in zip(
        torch.autograd.grad(got, [maps, *ours.parameters()], gradient),
        torch.autograd.grad(expected, [maps, *theirs.parameters()], gradient),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-12)


def test_patch_embedding_of_patches_equals_that_of_the_map() -> None:
    torch.manual_seed(0)
    embed = ConvPatchEmbed(3, 8, 4)
    images = torch.randn(2, 32, 48, 3)
    ids_keep = torch.tensor([[0, 5], [3, 2]])
    assert torch.allclose(
        embed(gather_patches(images, ids_keep, 16)),
        gather_patches(embed(images), ids_keep, 4),
        atol=1e-6,
    )


def test_drop_path_drops_whole_images() -> None:
    block = MaskedConvBlock(4, drop_path=0.5).train()
    torch.manual_seed(3)
    maps = torch.randn(64, 5, 2, 2, 4)
    ids_keep = torch.arange(5).repeat(64, 1)
    surroundings = locate_surroundings(ids_keep, (1, 5), 2, DEPTHWISE_MARGIN)
    unchanged = (block(maps, surroundings) == maps).flatten(1)
    assert (unchanged.all(1) | ~unchanged.any(1)).all()
    assert 0 < unchanged.all(1).sum() < 64
