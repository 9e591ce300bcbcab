"""Absolute and relative positions on a two-dimensional token grid.

Legend: H W token grid, L = H * W tokens, C channels.
"""

from __future__ import annotations

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from convmae_mm.errors import CheckpointError, ConfigError


def build_sincos_positions(grid: tuple[int, int], channels: int) -> Tensor:
    """MAE's fixed two-dimensional sine-cosine table (1, L, C).

    The first half of the channels encodes the column, the second half the
    row; each half is C / 4 sines followed by C / 4 cosines.
    (mmpretrain's ``build_2d_sincos_position_embedding`` is its transpose.)

    Raises:
        ConfigError: If ``channels`` is not a multiple of 4.
    """
    if channels % 4:
        raise ConfigError(f'{channels=} must be a multiple of 4')
    # float64 as in MAE's numpy code, so that tables agree to the last bit
    quarter = torch.arange(channels // 4, dtype=torch.float64)
    frequencies = 10000.0 ** (-quarter / (channels / 4))

    def encode(positions: Tensor) -> Tensor:
        angles = positions.flatten()[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    rows, columns = torch.meshgrid(
        torch.arange(grid[0], dtype=torch.float64),
        torch.arange(grid[1], dtype=torch.float64),
        indexing='ij',
    )
    table = torch.cat([encode(columns), encode(rows)], dim=1)
    return table.float()[None]


def fit_positions(positions: Tensor, target: tuple[int, int]) -> Tensor:
    """Fit a stored absolute table (1, L, C) to a grid of another size.

    Raises:
        CheckpointError: If a resize is needed and the table is not square.
    """
    length = positions.shape[1]
    if length == target[0] * target[1]:
        return positions
    side = isqrt(length)
    if side * side != length:
        raise CheckpointError(
            f'a position embedding of {length} patches is not square, so its '
            f'grid is unknown and it cannot be resized to {target[0]} x '
            f'{target[1]}; build with the img_size=(height, width) that the '
            'checkpoint was trained with'
        )
    return resize_positions(positions, (side, side), target)


def resize_positions(
    positions: Tensor, source: tuple[int, int], target: tuple[int, int]
) -> Tensor:
    """Resize an absolute table (1, L, C) from one grid to another, bicubic."""
    if source == target:
        return positions
    table = positions.reshape(1, *source, -1).permute(0, 3, 1, 2)
    table = F.interpolate(table.float(), size=target, mode='bicubic')
    return table.flatten(2).transpose(1, 2).to(positions.dtype)


def resize_relative_table(
    table: Tensor, source: tuple[int, int], target: tuple[int, int]
) -> Tensor:
    """Resize a relative table from one grid to another, bicubic.

    Args:
        table: ((2 H - 1) (2 W - 1), heads), rows first.
        source: (H, W) that the table was made for.
        target: (H, W) wanted.
    """
    if source == target:
        return table
    sides = [2 * side - 1 for side in source]
    wanted = [2 * side - 1 for side in target]
    maps = table.reshape(1, *sides, -1).permute(0, 3, 1, 2)
    maps = F.interpolate(maps.float(), size=wanted, mode='bicubic')
    return maps.flatten(2).squeeze(0).t().to(table.dtype)


def fit_relative_table(table: Tensor, target: tuple[int, int]) -> Tensor:
    """Fit a stored relative table (N, heads) to a grid of another size.

    Raises:
        CheckpointError: If a resize is needed and the table is not square.
    """
    length = len(table)
    if length == (2 * target[0] - 1) * (2 * target[1] - 1):
        return table
    side = isqrt(length)
    if side * side != length or side % 2 == 0:
        raise CheckpointError(
            f'a relative-position table of {length} rows is not square, so '
            f'its grid is unknown and it cannot be resized to {target[0]} x '
            f'{target[1]}; build with the img_size=(height, width) that the '
            'checkpoint was trained with'
        )
    grid = (side // 2 + 1, side // 2 + 1)
    return resize_relative_table(table, grid, target)


def expand_columns(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Expand a relative table along the columns of the grid only.

    Args:
        table: ((2 H - 1) (2 W - 1), heads); the entry for a query at
            (i, j) and a key at (k, l) has row i - k + H - 1 and column
            j - l + W - 1, as in BEiT and Swin.
        grid: (H, W).

    Returns:
        (heads, W, 2 H - 1, W), contiguous: entry (j, H - 1 - i + k, l) is
        that of a query at (i, j) and a key at (k, l). The bias of all
        queries in row i is a view of it, rows H - 1 - i to 2 H - 2 - i.
    """
    height, width = grid
    maps = table.t().reshape(-1, 2 * height - 1, 2 * width - 1)
    # Sliding windows of the flipped table are rows of the bias: one strided
    # copy, where indexing with an (L, L) integer table costs many times that
    # in its backward.
    slides = maps.flip(1, 2).unfold(2, width, 1).flip(2)
    return slides.transpose(1, 2).contiguous()


def expand_relative_table(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Expand a relative table to one bias per pair of tokens.

    Args:
        table: See :func:`expand_columns`.
        grid: (H, W).

    Returns:
        (heads, L, L), queries first.
    """
    height, width = grid
    strips = expand_columns(table, grid)
    slides = strips.unfold(2, height, 1).flip(2)  # (heads, W, H, W, H)
    bias = slides.permute(0, 2, 1, 4, 3)
    return bias.reshape(-1, height * width, height * width)


def fit_offset_vectors(vectors: Tensor, side: int) -> Tensor:
    """Resize vectors (N, d), one for each offset, to (2 side - 1, d), linear.

    As in ViTDet, where the offsets of the query and of the key differ in
    sign only.
    """
    wanted = 2 * side - 1
    if len(vectors) == wanted:
        return vectors
    curves = vectors.t()[None].float()  # (1, d, N)
    curves = F.interpolate(curves, size=wanted, mode='linear')
    return curves[0].t().to(vectors.dtype)


def gather_offset_vectors(vectors: Tensor, side: int) -> Tensor:
    """The vector for each pair of positions along one axis.

    Args:
        vectors: (N, d), one for each offset; resized if N is not
            2 * side - 1.
        side: Number of positions.

    Returns:
        (side, side, d): entry (i, j) for a query at i and a key at j, whose
        offset i - j is row i - j + side - 1.
    """
    positions = torch.arange(side, device=vectors.device)
    offsets = positions[:, None] - positions + side - 1
    return fit_offset_vectors(vectors, side)[offsets]
