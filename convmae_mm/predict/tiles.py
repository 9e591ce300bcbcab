"""Cut large pictures into overlapping tiles, and put label maps together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convmae_mm.errors import ConfigError

Tile = tuple[int, int, int, int]  # x1 y1 x2 y2 in pixels


def tile_boxes(
    size: tuple[int, int], tile: tuple[int, int], overlap: float
) -> list[Tile]:
    """Tiles that cover a picture, row by row.

    Args:
        size: Height and width of the picture.
        tile: Height and width of a tile; a smaller picture is one tile.
        overlap: The share of a tile that the next one sees too, at least;
            the last ones of a row or column overlap more, so that all have
            one size.

    Raises:
        ConfigError: For a tile or an overlap out of range.
    """
    if min(tile) < 32:
        raise ConfigError(f'--tile {min(tile)} must be at least 32 pixels')
    if not 0 <= overlap <= 0.9:
        raise ConfigError(f'--overlap {overlap} must be from 0 to 0.9')
    rows, columns = (
        _starts(whole, part, overlap)
        for whole, part in zip(size, tile, strict=True)
    )
    height, width = (min(x, y) for x, y in zip(size, tile, strict=True))
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(whole: int, part: int, overlap: float) -> list[int]:
    if part >= whole:
        return [0]
    step = max(int(part * (1 - overlap)), 1)
    starts = list(range(0, whole - part, step))
    return [*starts, whole - part]


def merge_label_maps(
    parts: Sequence[np.ndarray], tiles: Sequence[Tile]
) -> np.ndarray:
    """The label map of a picture; each pixel from the tile it is deepest in.

    Args:
        parts: (h, w) for each tile.
        tiles: Together they cover the picture.
    """
    height = max(tile[3] for tile in tiles)
    width = max(tile[2] for tile in tiles)
    merged = np.zeros((height, width), parts[0].dtype)
    deepest = np.full((height, width), -1, np.int32)
    for part, (x1, y1, x2, y2) in zip(parts, tiles, strict=True):
        depth = np.minimum(
            _depth(y1, y2, height)[:, None], _depth(x1, x2, width)[None]
        )
        area = np.s_[y1:y2, x1:x2]
        better = depth > deepest[area]
        merged[area] = np.where(better, part, merged[area])
        deepest[area] = np.where(better, depth, deepest[area])
    return merged


def _depth(start: int, end: int, whole: int) -> np.ndarray:
    """Distance to the tile's edges; those of the picture are far."""
    positions = np.arange(end - start, dtype=np.int32)
    before = positions if start else positions + whole
    after = positions[::-1] + (whole if end == whole else 0)
    return np.minimum(before, after).astype(np.int32)
