"""Random patch masks, and the compact form of the patches that stay visible.

ConvMAE masks whole stage-3 patches (16 x 16 pixels) and enlarges the mask to
stages 1 and 2 (block-wise masking). A visible patch is therefore a little
image of its own at every stage: 16 x 16 pixels, 4 x 4 cells after patch
embedding 1, 2 x 2 after 2, one token after 3. Every layer but the depthwise
convolution acts inside one cell or one patch. So the encoder stores only the
visible patches, as ``B x V`` little maps, and the depthwise convolution alone
sees them in their place among zeros: the paper's masked convolution.

Legend: B batch, H W stage-3 grid, L = H * W patches, V visible patches,
k cells along one side of a patch, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchMask:
    """A random choice of visible patches.

    Attributes:
        ids_keep: Indices (B, V) of the visible patches, in the order in
            which the encoder processes them.
        ids_restore: Positions (B, L): patch ``l`` is entry
            ``ids_restore[b, l]`` of the visible patches followed by the
            masked ones.
        mask: bool (B, L), True = masked.
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


def mask_from_noise(noise: Tensor, num_visible: int) -> PatchMask:
    """Keep the ``num_visible`` patches with the smallest noise.

    Args:
        noise: (B, L), any real numbers.
        num_visible: V, from 1 to L.
    """
    num_patches = noise.shape[1]
    if not 1 <= num_visible <= num_patches:
        raise ValueError(f'{num_visible=} must lie in 1..{num_patches}')
    ids_shuffle = noise.argsort(dim=1)
    ids_restore = ids_shuffle.argsort(dim=1)
    return PatchMask(
        ids_keep=ids_shuffle[:, :num_visible],
        ids_restore=ids_restore,
        mask=ids_restore >= num_visible,
    )


@dataclass(frozen=True)
class VisibleCells:
    """Where the k x k cells of the visible patches lie in the whole map.

    Attributes:
        index: (B * V * k * k,), positions in the flattened (B, H k, W k) map.
        map_shape: (B, H k, W k).
        cells: k.
    """

    index: Tensor
    map_shape: tuple[int, int, int]
    cells: int

    def gather(self, map_bhwc: Tensor) -> Tensor:
        """Cut the visible patches out: (B, H k, W k, C) -> (B, V, k, k, C)."""
        channels = map_bhwc.shape[-1]
        rows = map_bhwc.reshape(-1, channels).index_select(0, self.index)
        batch = self.map_shape[0]
        return rows.reshape(batch, -1, self.cells, self.cells, channels)

    def scatter(self, patches: Tensor) -> Tensor:
        """Put (B, V, k, k, C) in place among zeros: (B, H k, W k, C)."""
        channels = patches.shape[-1]
        batch, height, width = self.map_shape
        zeros = patches.new_zeros(batch * height * width, channels)
        rows = zeros.index_copy(0, self.index, patches.reshape(-1, channels))
        return rows.reshape(batch, height, width, channels)


def locate_visible_cells(
    ids_keep: Tensor, grid: tuple[int, int], cells: int
) -> VisibleCells:
    """Find the cells of the visible patches in a map with k cells a side.

    Args:
        ids_keep: (B, V), indices into the flattened ``grid``.
        grid: (H, W) of the patches.
        cells: k: 16 for pixels, 4 for stage 1, 2 for stage 2.
    """
    batch = ids_keep.shape[0]
    height, width = grid
    device = ids_keep.device
    rows = torch.div(ids_keep, width, rounding_mode='floor') * cells  # (B, V)
    columns = ids_keep % width * cells
    offset = torch.arange(cells, device=device)
    images = torch.arange(batch, device=device)[:, None, None, None]
    y = rows[:, :, None, None] + offset[:, None]  # (B, V, k, 1)
    x = columns[:, :, None, None] + offset  # (B, V, 1, k)
    map_height, map_width = height * cells, width * cells
    index = (images * map_height + y) * map_width + x  # (B, V, k, k)
    return VisibleCells(
        index=index.flatten(),
        map_shape=(batch, map_height, map_width),
        cells=cells,
    )
