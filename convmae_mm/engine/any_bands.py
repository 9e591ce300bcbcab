"""Pictures of any number of channels, for hooks that draw them in colour."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

# What reads a picture again, by mmcv, and writes it under its own name.
MODULES = {
    'mmdet': (
        'mmdet.engine.hooks.visualization_hook',
        'mmdet.visualization.local_visualizer',
    ),
    'mmseg': ('mmseg.engine.hooks.visualization_hook',),
}
ARRAY, TIFFS = b'\x93NUMPY', (b'II*\x00', b'MM\x00*')
MOST_CHANNELS = 32  # an array's first axis is of channels up to here


class AnyBands:
    """mmcv, as those modules see it."""

    def __init__(self, mmcv: Any) -> None:
        self._mmcv = mmcv

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mmcv, name)

    def imfrombytes(self, content: bytes, *args: Any, **kwargs: Any) -> Any:
        """Decode a picture; what mmcv cannot by :func:`to_colour`."""
        if content.startswith(ARRAY):
            return to_colour(np.load(io.BytesIO(content), allow_pickle=False))
        if content.startswith(TIFFS):
            import tifffile

            with tifffile.TiffFile(io.BytesIO(content)) as file:
                series = file.series[0]
                colour = series.ndim == 2 or series.shape[-1] in (1, 3, 4)
                if not colour:  # OpenCV would take an axis for another
                    return to_colour(series.asarray())
        return self._mmcv.imfrombytes(content, *args, **kwargs)

    def imwrite(self, img: np.ndarray, path: str, *args: Any) -> Any:
        """Write a picture; one of an array's name as PNG."""
        if path.endswith('.npy'):
            path = f'{path}.png'
        return self._mmcv.imwrite(img, path, *args)


def draw_any_bands(scope: str) -> None:
    """Let a library's drawing hook read arrays and TIFFs of any channels.

    Process-wide, and may be repeated.

    Args:
        scope: 'mmdet' or 'mmseg'; the hook of mmpretrain draws what the
            network got.
    """
    for name in MODULES.get(scope, ()):
        module: Any = importlib.import_module(name)
        if not isinstance(module.mmcv, AnyBands):
            module.mmcv = AnyBands(module.mmcv)


def to_colour(pixels: np.ndarray) -> np.ndarray:
    """The first three channels as a picture, each from its darkest to 255.

    Args:
        pixels: (H, W), (H, W, C) or (C, H, W) of at most 32 channels, of any
            type; a single channel is grey.

    Returns:
        (H, W, 3) uint8.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[0] <= MOST_CHANNELS < pixels.shape[2]:
        pixels = np.moveaxis(pixels, 0, -1)
    shown = pixels[..., [0, 1, 2] if pixels.shape[2] > 2 else [0, 0, 0]]
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    shown = shown.astype(np.float64)
    low, high = shown.min((0, 1)), shown.max((0, 1))
    scaled = (shown - low) / np.maximum(high - low, 1e-12) * 255
    return scaled.round().astype(np.uint8)
