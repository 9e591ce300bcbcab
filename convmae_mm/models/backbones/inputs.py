"""Checks of what a backbone is given, with errors that say what to do."""

from __future__ import annotations

from torch import Tensor

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.ops.patches import patch_grid


def check_images(images: Tensor, in_channels: int) -> None:
    """Refuse anything but floats (B, in_channels, height, width).

    Raises:
        ConfigError: For another number of channels or another shape.
        DataError: For whole numbers, as files hold them.
    """
    if not images.is_floating_point():
        raise DataError(
            f'images of {images.dtype} must be normalised floats: let the '
            'data preprocessor convert them, or subtract the mean and divide '
            'by the standard deviation'
        )
    if images.dim() != 4 or images.shape[1] != in_channels:
        raise ConfigError(
            f'images of shape {tuple(images.shape)} must be (B, '
            f'{in_channels}, height, width); set in_channels to the '
            'channels of your images'
        )


def check_visible(images: Tensor, ids_keep: Tensor) -> tuple[int, int]:
    """Check the choice of visible patches; return the (H, W) of the patches.

    Args:
        images: (B, C, 16 H, 16 W).
        ids_keep: (M B, V), M choices for each image.

    Raises:
        ConfigError: If the shapes do not fit each other.
    """
    height, width = patch_grid(images)
    length = height * width
    batch = images.shape[0]
    if ids_keep.dim() != 2 or not len(ids_keep) or len(ids_keep) % batch:
        raise ConfigError(
            f'ids_keep of shape {tuple(ids_keep.shape)} must be ({batch}, '
            f'V), a row for each image, or (M * {batch}, V) for M masks of '
            'each image'
        )
    if not 1 <= ids_keep.shape[1] <= length:
        raise ConfigError(
            f'{ids_keep.shape[1]} visible patches, but images of shape '
            f'{tuple(images.shape)} have 1..{length}'
        )
    return height, width
