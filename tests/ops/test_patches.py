from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from convmae_mm.ops.patches import (
    gather_patches,
    pad_to_patches,
    patch_grid,
    project_patches,
    resolve_grid,
)


def test_padding_is_zero_on_the_right_and_at_the_bottom() -> None:
    images = torch.rand(1, 3, 33, 50)
    padded = pad_to_patches(images)
    assert padded.shape == (1, 3, 48, 64)
    assert torch.equal(padded[..., :33, :50], images)
    assert padded[..., 33:, :].abs().sum() == 0
    assert padded[..., 50:].abs().sum() == 0
    assert pad_to_patches(padded) is padded


def test_grid_of_images() -> None:
    assert patch_grid(torch.zeros(1, 3, 160, 288)) == (10, 18)
    with pytest.raises(ValueError, match='100 x 160 pixels'):
        patch_grid(torch.zeros(1, 3, 100, 160))


def test_grid_of_settings() -> None:
    assert resolve_grid(224) == (14, 14)
    assert resolve_grid((160, 288)) == (10, 18)
    for wrong in (100, (160, 100), (16, 16, 16), 0):
        with pytest.raises(ValueError, match='img_size='):
            resolve_grid(wrong)


@pytest.mark.parametrize('cells', [1, 2, 4, 16])
def test_gather_cuts_the_patches_out(cells: int) -> None:
    height, width = 3, 5
    whole = torch.rand(2, height * cells, width * cells, 7)
    # two choices for each of the two maps
    ids = torch.tensor([[4, 0, 14], [7, 8, 2], [1, 2, 3], [4, 5, 6]])
    patches = gather_patches(whole, ids, cells)
    assert patches.shape == (4, 3, cells, cells, 7)
    for row in range(4):
        for place, patch in enumerate(ids[row].tolist()):
            top, left = patch // width * cells, patch % width * cells
            assert torch.equal(
                patches[row, place],
                whole[row % 2, top : top + cells, left : left + cells],
            )


def test_gather_reads_maps_of_any_strides() -> None:
    images = torch.rand(2, 3, 32, 48)
    ids = torch.tensor([[0, 5], [3, 2]])
    maps = images.permute(0, 2, 3, 1)
    expected = gather_patches(maps.contiguous(), ids, 16)
    assert torch.equal(gather_patches(maps, ids, 16), expected)


def test_projection_needs_no_bias() -> None:
    maps, weight = torch.rand(1, 4, 6, 3), torch.rand(5, 3, 2, 2)
    expected = F.conv2d(maps.permute(0, 3, 1, 2), weight, stride=2)
    got = project_patches(maps, weight, None)
    assert torch.allclose(got, expected.permute(0, 2, 3, 1), atol=1e-5)
