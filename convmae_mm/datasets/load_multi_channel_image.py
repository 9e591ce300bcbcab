"""Load pictures of any number of channels: TIFF, NumPy arrays, RGBA, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.files import regular_file
from convmae_mm.registry import TRANSFORMS

from .load_rgb_image import UndecodableImageError

ARRAY_EXTENSIONS = ('.npy',)
TIFF_EXTENSIONS = ('.tif', '.tiff')


def read_channels(path: str, channels_first: bool = False) -> np.ndarray:
    """Decode a file with the channels that it has, as they are stored.

    ``.npy`` is read as an array and ``.tif`` by tifffile, in which bands or
    pages are channels. Everything else goes through PIL: transparency is a
    channel, palettes are looked up, the EXIF orientation is applied.

    Args:
        path: The file.
        channels_first: Whether ``.npy`` arrays are (C, H, W) instead of
            (H, W, C). (H, W) is one channel in both cases.

    Returns:
        (H, W, C) of the stored type.

    Raises:
        UndecodableImageError: If it is missing, damaged or no picture, or
            holds values that are not finite.
    """
    suffix = '.' + path.rpartition('.')[2].lower()
    try:
        if suffix in ARRAY_EXTENSIONS:
            pixels = _read_array(path, channels_first)
        elif suffix in TIFF_EXTENSIONS:
            pixels = _read_tiff(path)
        else:
            pixels = _read_picture(path)
        _check_pixels(pixels)
    except MemoryError:
        raise
    # Decoders raise errors of many kinds on broken files.
    except Exception as error:
        raise UndecodableImageError(
            f'cannot decode {path}: {type(error).__name__}: {error}'
        ) from error
    return pixels


def _check_pixels(pixels: np.ndarray) -> None:
    if pixels.dtype.kind not in 'biuf':
        raise DataError(f'{pixels.dtype} is no type of pixels')
    if 0 in pixels.shape:
        raise DataError(f'an array of shape {pixels.shape} has no pixels')
    if pixels.dtype.kind == 'f':
        bad = int((~np.isfinite(pixels)).sum())
        if bad:
            raise DataError(
                f'{bad} of {pixels.size} values are infinite or not numbers; '
                'replace them'
            )


def _read_array(path: str, channels_first: bool) -> np.ndarray:
    array: np.ndarray = np.load(path, allow_pickle=False)
    if array.ndim == 2:
        return array[..., None]
    if array.ndim != 3:
        raise DataError(
            f'an array of shape {array.shape} is neither (H, W) nor '
            f'{"(C, H, W)" if channels_first else "(H, W, C)"}'
        )
    return np.moveaxis(array, 0, -1) if channels_first else array


def _read_tiff(path: str) -> np.ndarray:
    # Only those who have such files pay for the import.
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        axes, pixels = series.axes, series.asarray()
    if pixels.ndim == 2:
        return pixels[..., None]
    others = [x for x in axes if x not in 'YX']
    if pixels.ndim != 3 or len(others) != 1:
        raise DataError(
            f'a TIFF of axes {axes} and shape {pixels.shape} is no picture '
            'with channels'
        )
    order = [axes.index(x) for x in ('Y', 'X', others[0])]
    return pixels.transpose(order)


def _read_picture(path: str) -> np.ndarray:
    with Image.open(regular_file(path)) as image:
        image.load()
        upright: Image.Image = ImageOps.exif_transpose(image)
        if upright.mode == 'P':
            transparent = upright.has_transparency_data
            upright = upright.convert('RGBA' if transparent else 'RGB')
        pixels = np.asarray(upright)
    return pixels if pixels.ndim == 3 else pixels[..., None]


@TRANSFORMS.register_module()
class LoadMultiChannelImage(BaseTransform):
    """Load a picture with all its channels, in the order of the file.

    Takes the place of ``LoadImageFromFile`` for pictures that are not RGB;
    see :func:`read_channels` for the formats. The preprocessors of OpenMMLab
    normalise one or three channels only: use ``NormalizeChannels`` in the
    pipeline instead, and a preprocessor without ``mean`` and ``std``.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, C) float32,
    ``img_shape`` and ``ori_shape``, both (H, W).

    Args:
        in_channels: How many channels each file has; another number is an
            error that names the file.
        channels: Which of them to take, in this order; all by default.
        channels_first: Whether ``.npy`` arrays are (C, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] | None = None,
        channels_first: bool = False,
    ) -> None:
        if in_channels < 1:
            raise ConfigError(f'{in_channels=} must be at least 1')
        chosen = range(in_channels) if channels is None else channels
        if not chosen or not all(0 <= x < in_channels for x in chosen):
            raise ConfigError(
                f'{channels=} must be numbers of channels, 0 to '
                f'{in_channels - 1}'
            )
        self.in_channels = in_channels
        self.channels = list(chosen)
        self.channels_first = channels_first

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read ``results['img_path']``; raises ``UndecodableImageError``."""
        path = results['img_path']
        pixels = read_channels(path, self.channels_first)
        if pixels.shape[2] != self.in_channels:
            raise UndecodableImageError(
                f'{path} has {pixels.shape[2]} channels (shape '
                f'{pixels.shape}) instead of in_channels={self.in_channels}'
            )
        # Own, contiguous memory: later transforms may write in place.
        image = np.ascontiguousarray(
            pixels[..., self.channels], dtype=np.float32
        )
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(in_channels={self.in_channels}, '
            f'channels={self.channels}, '
            f'channels_first={self.channels_first})'
        )
