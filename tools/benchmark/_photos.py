"""JPEG files to decode, drawn from noise that compresses as photos do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

QUALITY = 90
# Noise of n pixels a cell is n ** _DECAY strong. With 0.2 the files are as
# large as photos are: 87 kB of 500 x 375 pixels, 3.9 MB of 4000 x 3000.
_DECAY = 0.2


def write_photos(folder: Path, size: tuple[int, int], count: int) -> list[str]:
    """Write JPEG files of one size.

    Args:
        folder: Where; it exists.
        size: (height, width) in pixels.
        count: Number of files.

    Returns:
        Their paths.
    """
    height, width = size
    paths = []
    for seed in range(count):
        path = folder / f'{height}x{width}_{seed}.jpg'
        Image.fromarray(draw_photo(size, seed)).save(path, quality=QUALITY)
        paths.append(str(path))
    return paths


def draw_photo(size: tuple[int, int], seed: int) -> np.ndarray:
    """Noise at all scales, (height, width, 3) uint8; alike for a seed."""
    height, width = size
    rng = np.random.default_rng(seed)
    photo = np.zeros((height, width, 3), np.float32)
    cell = max(height, width) // 2
    while cell >= 1:
        shape = (-(-height // cell) + 1, -(-width // cell) + 1)
        grey = rng.standard_normal((*shape, 1), np.float32)
        colour = rng.standard_normal((*shape, 3), np.float32)
        noise = cv2.resize(
            grey + 0.3 * colour, (width, height), interpolation=cv2.INTER_CUBIC
        )
        photo += noise * cell**_DECAY
        cell //= 2
    photo = (photo - photo.mean()) / photo.std() * 50 + 120
    return photo.clip(0, 255).astype(np.uint8)
