from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convmae_mm.ops.masked_convolution import (
    convolve_visible,
    locate_surroundings,
)
from convmae_mm.ops.masking import mask_from_noise
from convmae_mm.ops.patches import gather_patches

GRID = (3, 5)
CHANNELS = 6


def draw(
    cells: int, margin: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Visible patches with gradient, their ids, a kernel and a bias."""
    torch.manual_seed(0)
    ids_keep = mask_from_noise(torch.rand(2, 15), 6).ids_keep
    shapes = (
        (2, 6, cells, cells, CHANNELS),
        (CHANNELS, 1, 2 * margin + 1, 2 * margin + 1),
        (CHANNELS,),
    )
    patches, weight, bias = (
        torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes
    )
    return patches, ids_keep, weight, bias


def convolve_whole(
    patches: Tensor, ids_keep: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """As the paper states it: a map of zeros, convolved everywhere."""
    cells = patches.shape[2]
    height, width = GRID[0] * cells, GRID[1] * cells
    whole = patches.new_zeros(2, height, width, CHANNELS)
    places = torch.arange(2 * height * width).view(2, height, width, 1)
    index = gather_patches(places, ids_keep, cells).flatten()
    rows = whole.view(-1, CHANNELS).index_copy(0, index, patches.flatten(0, 3))
    x_nchw = rows.view_as(whole).permute(0, 3, 1, 2)
    out = F.conv2d(x_nchw, weight, bias, padding='same', groups=CHANNELS)
    return gather_patches(out.permute(0, 2, 3, 1), ids_keep, cells)


# A margin wider than a patch reaches past the neighbours.
@pytest.mark.parametrize(
    ('cells', 'margin'), [(4, 2), (2, 2), (1, 2), (2, 3), (4, 0)]
)
def test_it_is_the_masked_convolution(cells: int, margin: int) -> None:
    patches, ids_keep, weight, bias = draw(cells, margin)
    surroundings = locate_surroundings(ids_keep, GRID, cells, margin)
    side = cells + 2 * margin
    assert surroundings.shape == (2, 6, side, side)
    expected = convolve_whole(patches, ids_keep, weight, bias)
    actual = convolve_visible(patches, weight, bias, surroundings)
    assert torch.allclose(actual, expected, atol=1e-12)

    inputs = (patches, weight, bias)
    gradient = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, inputs, gradient)
    got = torch.autograd.grad(actual, inputs, gradient)
    for ours, theirs in zip(got, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_a_patch_among_masked_ones_sees_zeros() -> None:
    ids_keep = torch.tensor([[7]])
    surroundings = locate_surroundings(ids_keep, GRID, 2, 2)
    inside = surroundings[0, 0, 2:4, 2:4]
    assert inside.flatten().tolist() == [0, 1, 2, 3]
    assert (surroundings == 4).sum() == 36 - 4


def test_only_what_needs_a_gradient_gets_one() -> None:
    patches, ids_keep, weight, bias = draw(2, 2)
    surroundings = locate_surroundings(ids_keep, GRID, 2, 2)
    frozen = convolve_visible(
        patches, weight.detach(), bias.detach(), surroundings
    )
    assert torch.autograd.grad(frozen.sum(), patches)[0].abs().sum() > 0
    still = patches.detach()
    first = convolve_visible(still, weight, bias, surroundings)
    first.sum().backward()
    assert weight.grad is not None and bias.grad is not None
    assert still.grad is None


def test_autocast_convolves_in_half_precision() -> None:
    patches, ids_keep, weight, bias = draw(4, 2, torch.float32)
    surroundings = locate_surroundings(ids_keep, GRID, 4, 2)
    inputs = (patches, weight, bias)
    exact = convolve_visible(patches, weight, bias, surroundings)
    gradient = torch.randn_like(exact)
    wanted = torch.autograd.grad(exact, inputs, gradient)
    with torch.autocast('cpu', torch.bfloat16):
        # what the projection before it hands on
        low = patches.to(torch.bfloat16)
        half = convolve_visible(low, weight, bias, surroundings)
    assert half.dtype is torch.bfloat16
    assert torch.allclose(half.float(), exact, atol=0.1, rtol=0.02)
    got = torch.autograd.grad(half, inputs, gradient.to(torch.bfloat16))
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.dtype is torch.float32
        assert (ours - theirs).norm() < 0.02 * theirs.norm()
