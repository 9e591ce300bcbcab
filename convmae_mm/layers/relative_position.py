"""The relative-position table that attention blocks share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convmae_mm.ops.positions import (
    expand_relative_table,
    fit_relative_table,
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

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        """Load, resizing a table that was stored for another grid."""
        key = f'{prefix}table'
        if key in state_dict:
            state_dict[key] = fit_relative_table(state_dict[key], self.grid)
        super()._load_from_state_dict(state_dict, prefix, *args)
