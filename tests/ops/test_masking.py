from __future__ import annotations

import pytest
import torch

from convmae_mm.ops.masking import count_visible, mask_from_noise


def test_smallest_noise_stays_visible() -> None:
    noise = torch.rand(3, 12, generator=torch.Generator().manual_seed(0))
    patches = mask_from_noise(noise, 5)
    for row in range(3):
        kept = noise[row][~patches.mask[row]]
        assert kept.numel() == 5
        assert kept.max() < noise[row][patches.mask[row]].min()
        assert torch.equal(
            noise[row][patches.ids_keep[row]], kept.sort().values
        )


def test_ids_restore_undoes_the_shuffle() -> None:
    noise = torch.rand(2, 9)
    patches = mask_from_noise(noise, 4)
    shuffled = noise.sort(dim=1).values
    assert torch.equal(shuffled.gather(1, patches.ids_restore), noise)


@pytest.mark.parametrize(
    ('length', 'ratio', 'visible'),
    [(196, 0.75, 49), (196, 0.6, 78), (180, 0.9, 17), (196, 0.0, 196)],
)
def test_count_is_truncated(length: int, ratio: float, visible: int) -> None:
    assert count_visible(length, ratio) == visible


def test_nothing_visible_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'mask_ratio=0\.9.*4 patches'):
        count_visible(4, 0.9)
    with pytest.raises(ValueError, match=r'num_visible=5 must lie in 1\.\.4'):
        mask_from_noise(torch.rand(1, 4), 5)


def test_complementary_masks_show_each_patch_once() -> None:
    noise = torch.rand(3, 20)
    masks = mask_from_noise(noise, num_visible=5, num_masks=4)
    assert masks.ids_keep.shape == (12, 5)
    visible = (~masks.mask).reshape(4, 3, 20).sum(0)
    assert (visible == 1).all()
    for row, ids in enumerate(masks.ids_keep):
        # row r is mask r // 3 of image r % 3
        assert torch.equal(noise[row % 3].argsort()[5 * (row // 3) :][:5], ids)
        assert torch.equal(masks.ids_restore[row, ids], torch.arange(5))
        assert not masks.mask[row, ids].any()
    first = mask_from_noise(noise, num_visible=5)
    assert torch.equal(masks.ids_restore[:3], first.ids_restore)


def test_more_masks_than_patches_are_an_error() -> None:
    with pytest.raises(ValueError, match=r'num_masks=5 must lie in 1\.\.4'):
        mask_from_noise(torch.rand(1, 20), num_visible=5, num_masks=5)
