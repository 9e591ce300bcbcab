"""Grids of tokens, and what tables of positions tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor

from convmae_mm.variants import PATCH_SIZE

Grid = tuple[int, int]
ImgSize = int | Sequence[int] | None


def build_position_index(grid: Grid) -> Tensor:
    """Which row of a relative-position table each pair of tokens takes.

    Args:
        grid: (H, W); L = H * W.

    Returns:
        (L, L) int64, queries first:
        ``(dy + H - 1) * (2 * W - 1) + dx + W - 1`` for offsets dy, dx from
        key to query.
    """
    height, width = grid
    cells = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    rows, columns = cells.unbind(1)
    dy = rows[:, None] - rows + height - 1
    dx = columns[:, None] - columns + width - 1
    return dy * (2 * width - 1) + dx


def to_pixels(grid: Grid) -> int | Grid:
    """The size in pixels, one number if it is square."""
    height, width = grid[0] * PATCH_SIZE, grid[1] * PATCH_SIZE
    return height if height == width else (height, width)


def rows_of_table(height: int, width: int) -> int:
    """Rows of a table of relative positions: one for each offset."""
    return (2 * height - 1) * (2 * width - 1)


def side_of_table(rows: int) -> int | None:
    """Side of the square grid that a table is for."""
    side = isqrt(rows)
    return side // 2 + 1 if side * side == rows and side % 2 else None


def possible_grids(positions: int, tables: int | None) -> tuple[Grid, ...]:
    """The (H, W), H at most W, that an embedding and tables can be for."""
    grids = (
        (height, positions // height)
        for height in range(isqrt(max(positions, 0)), 0, -1)
        if positions % height == 0
    )
    if tables is None:
        return tuple(grids) or ((1, 1),)
    return tuple(x for x in grids if rows_of_table(*x) == tables)
