"""Decode any picture to three colours, or say why it cannot be done."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.files import regular_file
from convmae_mm.registry import TRANSFORMS

from .image_files import TOO_LARGE

CHANNEL_ORDERS = ('bgr', 'rgb')


class UndecodableImageError(OSError):
    """A file that holds no picture we can turn into RGB; names the file."""


def _grey16_to_8(image: Image.Image) -> Image.Image:
    """0..65535 to 0..255; PIL's own conversion clips all above 255."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise DataError(
            f'grey values from {low} to {high} are outside 16 bits; convert '
            'the picture to 8 or 16 bits'
        )
    return Image.fromarray((values / 257).round().astype(np.uint8))


def _to_rgb(
    image: Image.Image, background: tuple[int, int, int]
) -> Image.Image:
    if image.mode.startswith('I'):
        image = _grey16_to_8(image)
    if image.mode == 'F':
        raise DataError(
            'floating-point pixels have no defined range; convert the '
            'picture to 8 or 16 bits'
        )
    if image.has_transparency_data:
        # Under full transparency any colour may be stored: show none of it.
        image = image.convert('RGBA')
        canvas = Image.new('RGBA', image.size, (*background, 255))
        image = Image.alpha_composite(canvas, image)
    # convert() copies even where there is nothing to convert.
    return image if image.mode == 'RGB' else image.convert('RGB')


def read_rgb(
    path: str,
    background: tuple[int, int, int] = (255, 255, 255),
    min_side: int | None = None,
) -> np.ndarray:
    """Decode a file completely.

    Grey becomes three equal channels; a palette is looked up; transparency
    is laid over ``background``; CMYK, YCbCr and LAB are converted without
    colour profiles; 16-bit grey is scaled by 1/257 and of 16-bit RGB the high
    byte is kept; the EXIF orientation is applied; of an animation or a
    multi-page file the first picture is taken.

    Args:
        path: Of the file.
        background: RGB colour from 0 to 255 behind transparent pixels.
        min_side: A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the
            smallest whose sides are no shorter than this many pixels. Other
            formats cannot be reduced while they are decoded. None decodes
            everything at its full size.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        UndecodableImageError: the file is missing, unreadable, empty,
            truncated, no picture, one that is larger than PIL permits, or
            holds pixels without a defined range.
    """
    try:
        with Image.open(regular_file(path)) as image:
            if min_side is not None:
                # Does nothing to formats but JPEG, and never enlarges.
                image.draft(None, (min_side, min_side))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_to_rgb(image, background))
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise UndecodableImageError(
            f'cannot decode {path}: {TOO_LARGE}'
        ) from error
    # PIL's decoders raise OSError, SyntaxError, ValueError, EOFError,
    # struct.error, zlib.error, DecompressionBombError, ... on broken files.
    except Exception as error:
        raise UndecodableImageError(
            f'cannot decode {path}: {type(error).__name__}: {error}'
        ) from error


@TRANSFORMS.register_module()
class LoadRGBImage(BaseTransform):
    """Load a picture of any kind as three colours, on purpose.

    Unlike mmcv's ``LoadImageFromFile`` it lays transparency over a stated
    colour instead of showing what is stored beneath, does not depend on what
    a version of OpenCV makes of a damaged file, and says what is wrong with
    it; see ``read_rgb`` for every case.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, 3) uint8,
    ``img_shape`` and ``ori_shape``, both (H, W) of the decoded picture.

    Args:
        channel_order: order of the three channels in ``img``. The default
            'bgr' is what all OpenMMLab transforms expect and what a
            ``data_preprocessor`` with ``to_rgb=True`` turns into RGB, so
            the transform replaces ``LoadImageFromFile`` as it stands. With
            'rgb' the preprocessor needs ``to_rgb=False``.
        background: RGB colour from 0 to 255 behind transparent pixels.
        min_side: Pixels. Decode a JPEG at 1/2, 1/4 or 1/8 of its size, as
            long as neither side becomes shorter than this: several times
            faster for large photos that are resized anyway. Not for data
            whose labels are places in the picture. A random crop of a share
            ``a`` of the area or more, whose sides differ by a factor ``r`` at
            most, resized to ``s`` pixels, is never enlarged because of it if
            ``min_side >= s / sqrt(a / r)``: 579 for 224 pixels, 0.2 and 4/3.

    Raises:
        ConfigError: For a wrong option.
    """

    def __init__(
        self,
        channel_order: str = 'bgr',
        background: tuple[int, int, int] = (255, 255, 255),
        min_side: int | None = None,
    ) -> None:
        if channel_order not in CHANNEL_ORDERS:
            raise ConfigError(
                f'{channel_order=} must be one of {CHANNEL_ORDERS}'
            )
        if len(background) != 3 or not all(0 <= c <= 255 for c in background):
            raise ConfigError(f'{background=} must be three of 0 to 255')
        if min_side is not None and min_side < 1:
            raise ConfigError(f'{min_side=} must be at least 1 pixel, or None')
        self.channel_order = channel_order
        self.min_side = min_side
        red, green, blue = background
        self.background = (red, green, blue)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read ``results['img_path']``; raises ``UndecodableImageError``."""
        image = read_rgb(results['img_path'], self.background, self.min_side)
        # Own, contiguous memory: later transforms may write in place. NumPy's
        # copy of reversed channels takes longer than decoding, OpenCV's does
        # not.
        if self.channel_order == 'bgr':
            results['img'] = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        else:
            results['img'] = image.copy()
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(channel_order={self.channel_order!r}, '
            f'background={self.background}, min_side={self.min_side})'
        )
