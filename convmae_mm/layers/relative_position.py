"""Relative positions in the attention of stage 3.

Both kinds turn the query and key of an attention layer, (N, heads, L, d),
into what ``scaled_dot_product_attention`` takes: query, key, and a bias that
is added to the logits.

Legend: N sequences, H W token grid, L = H * W tokens, d channels of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convmae_mm.ops.positions import (
    expand_relative_table,
    fit_offset_vectors,
    fit_relative_table,
    gather_offset_vectors,
    one_hot_coordinates,
    resize_relative_table,
)


class RelativePositionBias(nn.Module):
    """One learned number per head and offset between two tokens.

    Args:
        grid: (H, W) that the table is stored for.
        num_heads: Number of attention heads.
    """

    def __init__(self, grid: tuple[int, int], num_heads: int) -> None:
        super().__init__()
        self.grid = grid
        # zero, as released: a fresh table changes no feature
        self.table = nn.Parameter(
            torch.zeros((2 * grid[0] - 1) * (2 * grid[1] - 1), num_heads)
        )

    def forward(self, grid: tuple[int, int]) -> Tensor:
        """The bias (heads, L, L) of a grid, the table resized if need be."""
        table = resize_relative_table(self.table, self.grid, grid)
        return expand_relative_table(table, grid)

    def relate(
        self, query: Tensor, key: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Leave query and key, (N, heads, L, d), as they are; add a bias."""
        return query, key, self(grid)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        """Load, resizing a table that was stored for another grid."""
        key = f'{prefix}table'
        if key in state_dict:
            state_dict[key] = fit_relative_table(state_dict[key], self.grid)
        super()._load_from_state_dict(state_dict, prefix, *args)


class DecomposedRelativePosition(nn.Module):
    """``query . height[dy] + query . width[dx]`` on the logits.

    Li et al., "Exploring Plain Vision Transformer Backbones for Object
    Detection", ECCV 2022. The sum is folded into the product of query and
    key: the query gets its products with every row and every column of the
    grid as H + W further channels, the key a one-hot code of its own row and
    column. No (L, L) bias exists.

    Args:
        grid: (H, W) that the vectors are stored for.
        head_channels: d.
    """

    def __init__(self, grid: tuple[int, int], head_channels: int) -> None:
        super().__init__()
        self.grid = grid
        # zero, as released: fresh vectors change no feature
        self.height = nn.Parameter(torch.zeros(2 * grid[0] - 1, head_channels))
        self.width = nn.Parameter(torch.zeros(2 * grid[1] - 1, head_channels))

    def relate(
        self, query: Tensor, key: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor, None]:
        """Extend query and key: (N, heads, L, d) to (N, heads, L, d + H + W).

        Attention must go on scaling the logits by 1 / sqrt(d); it is d that
        the vectors were trained with.
        """
        height, width = grid
        rows = gather_offset_vectors(self.height, height)  # (H, H, d)
        columns = gather_offset_vectors(self.width, width)  # (W, W, d)
        q_grid = query.unflatten(2, grid)  # (N, heads, H, W, d)
        by_row = torch.einsum('nhyxd,ykd->nhyxk', q_grid, rows)
        by_column = torch.einsum('nhyxd,xkd->nhyxk', q_grid, columns)
        products = torch.cat([by_row, by_column], dim=-1).flatten(2, 3)
        # not scaled in the released network, so undo what attention will do
        products = products * query.shape[-1] ** 0.5
        codes = one_hot_coordinates(grid, key).expand(*key.shape[:2], -1, -1)
        return (
            torch.cat([query, products], dim=-1),
            torch.cat([key, codes], dim=-1),
            None,
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        """Load, resizing vectors that were stored for another grid."""
        for name, side in zip(('height', 'width'), self.grid, strict=True):
            key = f'{prefix}{name}'
            if key in state_dict:
                state_dict[key] = fit_offset_vectors(state_dict[key], side)
        super()._load_from_state_dict(state_dict, prefix, *args)
