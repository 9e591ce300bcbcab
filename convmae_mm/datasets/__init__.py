"""Data sets and transforms; importing them registers them."""

from .load_multi_channel_image import LoadMultiChannelImage
from .load_rgb_image import LoadRGBImage, UndecodableImageError
from .normalize_channels import NormalizeChannels
from .random_resized_crop import RandomResizedCrop
from .unlabelled_image_folder import (
    TooManyBadImagesError,
    UnlabelledImageFolder,
)

__all__ = [
    'LoadMultiChannelImage',
    'LoadRGBImage',
    'NormalizeChannels',
    'RandomResizedCrop',
    'TooManyBadImagesError',
    'UndecodableImageError',
    'UnlabelledImageFolder',
]
