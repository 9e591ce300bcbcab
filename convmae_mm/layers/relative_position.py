"""Relative positions in the attention of stage 3.

Both kinds give the bias that is added to the logits of an attention layer
with queries (N, heads, L, d).

Legend: N sequences, H W token grid, L = H * W tokens, d channels of a head.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from convmae_mm.ops.attention import AxisBias, Bias, TableBias
from convmae_mm.ops.positions import (
    expand_columns,
    expand_relative_table,
    fit_offset_vectors,
    fit_relative_table,
    gather_offset_vectors,
    resize_relative_table,
)


class RelativePosition(Protocol):
    """What an attention layer asks of its relative positions."""

    def relate(self, query: Tensor, grid: tuple[int, int]) -> Bias:
        """What is added to the logits of ``query``, tokens of ``grid``."""


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
        return expand_relative_table(self._resize(grid), grid)

    def relate(self, query: Tensor, grid: tuple[int, int]) -> Bias:
        """The bias of a grid, in the form that attention takes here.

        The same for every query: only its device and kind count.
        """
        if query.device.type == 'cpu':
            return TableBias(expand_columns(self._resize(grid), grid))
        bias = self(grid)
        kind = bias.device.type
        available = torch.amp.is_autocast_available(kind)  # not on 'meta'
        if available and torch.is_autocast_enabled(kind):
            # once, not in each block that shares it
            bias = bias.to(torch.get_autocast_dtype(kind))
        return bias

    def _resize(self, grid: tuple[int, int]) -> Tensor:
        return resize_relative_table(self.table, self.grid, grid)

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
    Detection", ECCV 2022. No (L, L) bias exists, only the terms of each query
    with the H rows and the W columns of keys.

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

    def relate(self, query: Tensor, grid: tuple[int, int]) -> Bias:
        """The terms of queries (N, heads, L, d) on a grid.

        They are not scaled by 1 / sqrt(d), as in the released network.
        """
        height, width = grid
        rows = gather_offset_vectors(self.height, height)  # (H, H, d)
        columns = gather_offset_vectors(self.width, width)  # (W, W, d)
        q_grid = query.unflatten(2, grid)  # (N, heads, H, W, d)
        by_row = torch.einsum('nhyxd,ykd->nhyxk', q_grid, rows)
        by_column = torch.einsum('nhyxd,xkd->nhyxk', q_grid, columns)
        return AxisBias(by_row.flatten(2, 3), by_column.flatten(2, 3))

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        """Load, resizing vectors that were stored for another grid."""
        for name, side in zip(('height', 'width'), self.grid, strict=True):
            key = f'{prefix}{name}'
            if key in state_dict:
                state_dict[key] = fit_offset_vectors(state_dict[key], side)
        super()._load_from_state_dict(state_dict, prefix, *args)
