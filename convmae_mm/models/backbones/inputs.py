"""Checks of what a backbone is given, with errors that say what to do."""

from __future__ import annotations

from torch import Tensor

from convmae_mm.ops.patches import patch_grid


def check_images(images: Tensor, in_channels: int) -> None:
    """Refuse anything but (B, in_channels, height, width).

    Raises:
        ValueError: For another shape.
    """
    if images.dim() != 4 or images.shape[1] != in_channels:
        raise ValueError(
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
        ValueError: If the shapes do not fit each other.
    """
    height, width = patch_grid(images)
    length = height * width
    batch = len(images)
    if ids_keep.dim() != 2 or not len(ids_keep) or len(ids_keep) % batch:
        raise ValueError(
            f'ids_keep of shape {tuple(ids_keep.shape)} must be ({batch}, '
            f'V), a row for each image, or (M * {batch}, V) for M masks of '
            'each image'
        )
    if not 1 <= ids_keep.shape[1] <= length:
        raise ValueError(
            f'{ids_keep.shape[1]} visible patches, but images of shape '
            f'{tuple(images.shape)} have 1..{length}'
        )
    return height, width
