"""DigitScenes: real handwritten digits on real photos, with no download."""

from .generate import MANIFEST, generate_digit_scenes
from .sources import CLASSES

__all__ = ['CLASSES', 'MANIFEST', 'generate_digit_scenes']
