"""The random resized crop of pretraining, without slow copies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from PIL import Image

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomResizedCrop(BaseTransform):
    """Cut a random rectangle out and resize it, bicubic and antialiased.

    Draws the rectangles, and gives the pixels, of mmpretrain's transform of
    the same name with ``backend='pillow', interpolation='bicubic'``, in half
    the time: there, Pillow turns a view of the whole picture into bytes value
    by value, which takes longer than to decode a JPEG. Here the rectangle is
    copied row by row first.

    Required keys: ``img``, (H, W, 3) or (H, W), uint8. Modified keys: ``img``
    and ``img_shape``, (height, width).

    Args:
        scale: Size in pixels to resize to, a number or (height, width).
        crop_ratio_range: Share of the picture's area in the rectangle.
        aspect_ratio_range: Its width over its height.
        max_attempts: How often to draw a rectangle before the largest central
            one with an aspect ratio within the range is taken.

    Raises:
        ConfigError: For a wrong option.
    """

    def __init__(
        self,
        scale: int | Sequence[int],
        crop_ratio_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        max_attempts: int = 10,
    ) -> None:
        sides = (scale, scale) if isinstance(scale, int) else tuple(scale)
        if len(sides) != 2 or min(sides) < 1:
            raise ConfigError(
                f'{scale=} must be a number of pixels or (height, width)'
            )
        low, high = crop_ratio_range
        if not 0 < low <= high <= 1:
            raise ConfigError(
                f'{crop_ratio_range=} must be (low, high) with 0 < low <= '
                'high <= 1'
            )
        low, high = aspect_ratio_range
        if not 0 < low <= high:
            raise ConfigError(
                f'{aspect_ratio_range=} must be (low, high) with 0 < low <= '
                'high'
            )
        if max_attempts < 0:
            raise ConfigError(f'{max_attempts=} must be at least 0')
        self.scale = sides
        self.crop_ratio_range = tuple(crop_ratio_range)
        self.aspect_ratio_range = tuple(aspect_ratio_range)
        self.max_attempts = max_attempts

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``results['img']`` by a resized part of it.

        Raises:
            DataError: For pixels that Pillow cannot resize.
        """
        image = results['img']
        if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)):
            raise DataError(
                f'{image.dtype} pixels of shape {image.shape} cannot be '
                'resized by Pillow, which takes uint8, (H, W, 3) or (H, W); '
                "use type='mmpretrain.RandomResizedCrop', backend='cv2'"
            )
        top, left, height, width = self._draw(image.shape[:2])
        part = image[top : top + height, left : left + width]
        # Copied by NumPy: Pillow's way of reading a view is the slow one.
        part = Image.fromarray(np.ascontiguousarray(part))
        part = part.resize(self.scale[::-1], Image.Resampling.BICUBIC)
        results['img'] = np.array(part)  # not a view: Pillow's is read-only
        results['img_shape'] = self.scale
        return results

    @cache_randomness
    def _draw(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a rectangle in a picture."""
        rows, columns = shape
        smallest, largest = self.crop_ratio_range
        narrowest, widest = self.aspect_ratio_range
        for _ in range(self.max_attempts):
            area = np.random.uniform(smallest, largest) * (rows * columns)
            aspect = math.exp(
                np.random.uniform(math.log(narrowest), math.log(widest))
            )
            width = round(math.sqrt(area * aspect))
            height = round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top = np.random.randint(0, rows - height + 1)
                left = np.random.randint(0, columns - width + 1)
                return top, left, height, width
        height = min(rows, max(1, round(columns / narrowest)))
        width = min(columns, max(1, round(rows * widest)))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, '
            f'crop_ratio_range={self.crop_ratio_range}, '
            f'aspect_ratio_range={self.aspect_ratio_range}, '
            f'max_attempts={self.max_attempts})'
        )
