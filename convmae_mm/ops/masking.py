"""Random patch masks, and the compact form of the patches that stay visible.

ConvMAE masks whole stage-3 patches (16 x 16 pixels) and enlarges the mask to
stages 1 and 2 (block-wise masking). A visible patch is therefore a little
image of its own at every stage: 16 x 16 pixels, 4 x 4 cells after patch
embedding 1, 2 x 2 after 2, one token after 3. Every layer but the depthwise
convolution acts inside one cell or one patch. So the encoder stores only the
visible patches, as ``B x V`` little maps, and the depthwise convolution alone
sees them in their place among zeros: the paper's masked convolution.

Legend: B batch, N masks, H W stage-3 grid, L = H * W patches, V visible
patches, k cells along one side of a patch, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchMask:
    """Random choices of visible patches, one or more for each image.

    N = M B masks for B images with M masks each; row r belongs to image
    r % B, so that the first B rows are the first masks.

    Attributes:
        ids_keep: Indices (N, V) of the visible patches, in the order in
            which the encoder processes them.
        ids_restore: Positions (N, L): patch ``l`` is entry
            ``ids_restore[r, l]`` of the visible patches followed by the
            masked ones.
        mask: bool (N, L), True = masked.
    """

    ids_keep: Tensor
    ids_restore: Tensor
    mask: Tensor


def count_visible(num_patches: int, mask_ratio: float) -> int:
    """How many of ``num_patches`` stay visible at ``mask_ratio``.

    The product is truncated, as in MAE.

    Raises:
        ValueError: If no patch would stay visible.
    """
    num_visible = int(num_patches * (1 - mask_ratio))
    if num_visible < 1:
        raise ValueError(
            f'{mask_ratio=} leaves none of {num_patches} patches visible; '
            'use larger images or a smaller mask_ratio'
        )
    return num_visible


def mask_from_noise(
    noise: Tensor, num_visible: int, num_masks: int = 1
) -> PatchMask:
    """Keep the ``num_visible`` patches with the smallest noise.

    Further masks are complementary: the second keeps the patches with the
    next smallest noise, and so on. No patch is visible in two of them.

    Args:
        noise: (B, L), any real numbers.
        num_visible: V, from 1 to L.
        num_masks: M; M V must not exceed L.

    Raises:
        ValueError: If there are not enough patches.
    """
    num_patches = noise.shape[1]
    if not 1 <= num_visible <= num_patches:
        raise ValueError(f'{num_visible=} must lie in 1..{num_patches}')
    if not 1 <= num_masks <= num_patches // num_visible:
        raise ValueError(
            f'{num_masks=} must lie in 1..{num_patches // num_visible}: each '
            f'shows {num_visible} of {num_patches} patches that no other '
            'shows'
        )
    ids_shuffle = noise.argsort(dim=1)
    rank = ids_shuffle.argsort(dim=1)  # (B, L)
    # Mask m begins with the patches of rank m V; the others follow in turn.
    starts = [m * num_visible for m in range(num_masks)]
    ids_restore = torch.cat([(rank - s) % num_patches for s in starts])
    ids_keep = torch.cat([ids_shuffle[:, s : s + num_visible] for s in starts])
    return PatchMask(
        ids_keep=ids_keep,
        ids_restore=ids_restore,
        mask=ids_restore >= num_visible,
    )


@dataclass(frozen=True)
class VisibleCells:
    """Where the k x k cells of the visible patches lie in the whole map.

    Attributes:
        index: (N * V * k * k,), positions in the flattened (B, H k, W k) map.
        map_shape: (B, H k, W k).
        num_masks: N; a multiple of B, and B unless images have several masks.
        cells: k.
    """

    index: Tensor
    map_shape: tuple[int, int, int]
    num_masks: int
    cells: int

    def gather(self, map_bhwc: Tensor) -> Tensor:
        """Cut the visible patches out: (B, H k, W k, C) -> (N, V, k, k, C)."""
        channels = map_bhwc.shape[-1]
        rows = map_bhwc.reshape(-1, channels).index_select(0, self.index)
        cells = (self.cells, self.cells)
        return rows.reshape(self.num_masks, -1, *cells, channels)

    def scatter(self, patches: Tensor) -> Tensor:
        """Put (B, V, k, k, C) in place among zeros: (B, H k, W k, C)."""
        channels = patches.shape[-1]
        batch, height, width = self.map_shape
        zeros = patches.new_zeros(batch * height * width, channels)
        rows = zeros.index_copy(0, self.index, patches.reshape(-1, channels))
        return rows.reshape(batch, height, width, channels)


def locate_visible_cells(
    ids_keep: Tensor,
    grid: tuple[int, int],
    cells: int,
    num_images: int | None = None,
) -> VisibleCells:
    """Find the cells of the visible patches in a map with k cells a side.

    Args:
        ids_keep: (N, V), indices into the flattened ``grid``.
        grid: (H, W) of the patches.
        cells: k: 16 for pixels, 4 for stage 1, 2 for stage 2.
        num_images: B, if the N masks lie in fewer maps: row r in map r % B.
            Such cells can be gathered, not scattered: they overlap.
    """
    num_masks = ids_keep.shape[0]
    batch = num_images or num_masks
    height, width = grid
    device = ids_keep.device
    rows = torch.div(ids_keep, width, rounding_mode='floor') * cells  # (N, V)
    columns = ids_keep % width * cells
    offset = torch.arange(cells, device=device)
    images = torch.arange(num_masks, device=device) % batch
    y = rows[:, :, None, None] + offset[:, None]  # (N, V, k, 1)
    x = columns[:, :, None, None] + offset  # (N, V, 1, k)
    map_height, map_width = height * cells, width * cells
    index = (
        images[:, None, None, None] * map_height + y
    ) * map_width + x  # (N, V, k, k)
    return VisibleCells(
        index=index.flatten(),
        map_shape=(batch, map_height, map_width),
        num_masks=num_masks,
        cells=cells,
    )
