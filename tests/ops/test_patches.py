from __future__ import annotations

import pytest
import torch

from convmae_mm.ops.patches import pad_to_patches, patch_grid, resolve_grid


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
