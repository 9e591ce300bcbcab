"""Data sets and transforms; importing them registers them."""

from .load_rgb_image import LoadRGBImage, UndecodableImageError
from .unlabelled_image_folder import (
    TooManyBadImagesError,
    UnlabelledImageFolder,
)

__all__ = [
    'LoadRGBImage',
    'TooManyBadImagesError',
    'UndecodableImageError',
    'UnlabelledImageFolder',
]
