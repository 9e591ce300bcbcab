"""Where the pictures come from: digits and photographs inside two wheels.

scikit-learn ships 1,797 handwritten digits of 8 x 8 pixels and two photos,
scikit-image some fifteen photos. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from PIL import Image

from convmae_mm.errors import ConfigError

CLASSES = (
    'zero',
    'one',
    'two',
    'three',
    'four',
    'five',
    'six',
    'seven',
    'eight',
    'nine',
)
SPLITS = ('train', 'val')

# Photos with legible digits or letters (page, text, motion-blurred clock)
# are left out: they would be unlabelled objects. motorcycle_right shows the
# same scene as motorcycle_left.
PHOTOS = {
    'train': (
        'sklearn/china.jpg',
        'skimage/astronaut.png',
        'skimage/brick.png',
        'skimage/camera.png',
        'skimage/coffee.png',
        'skimage/coins.png',
        'skimage/grass.png',
        'skimage/hubble_deep_field.jpg',
        'skimage/ihc.png',
        'skimage/moon.png',
        'skimage/motorcycle_left.png',
    ),
    'val': (
        'sklearn/flower.jpg',
        'skimage/chelsea.png',
        'skimage/gravel.png',
        'skimage/retina.jpg',
        'skimage/rocket.jpg',
    ),
}

# Of every class, the last quarter of the samples is held out. scikit-learn
# keeps the order of collection, so a contiguous block also holds out most of
# its writers, and it does not depend on the seed: scenes of one seed never
# leak into the held-out scenes of another.
TRAIN_SHARE = 0.75

_FOLDERS = {
    'sklearn': ('sklearn.datasets', 'images'),
    'skimage': ('skimage', 'data'),
}


@dataclass(frozen=True)
class Sources:
    """Raw material of one split.

    Args:
        glyphs: one float32 array (N, 8, 8) in [0, 1] per class, zero to nine.
        glyph_indexes: the row of each glyph in ``sklearn.load_digits()``.
        photos: RGB photographs.
        photo_names: their names, as in ``PHOTOS``.
    """

    glyphs: tuple[np.ndarray, ...]
    glyph_indexes: tuple[np.ndarray, ...]
    photos: tuple[Image.Image, ...]
    photo_names: tuple[str, ...]


def _load_photo(name: str) -> Image.Image:
    package, file_name = name.split('/')
    module, folder = _FOLDERS[package]
    file = resources.files(module) / folder / file_name
    if not file.is_file():
        raise FileNotFoundError(
            f'{name} is not at {file}: DigitScenes needs the photos inside '
            'the wheels of scikit-learn and scikit-image >= 0.24; reinstall '
            'them with `pip install --force-reinstall scikit-learn '
            'scikit-image`'
        )
    with file.open('rb') as stream:
        return Image.open(stream).convert('RGB')


@lru_cache(maxsize=2)
def load_sources(split: str) -> Sources:
    """Read the digits and photos of a split (once per process).

    Args:
        split: 'train' or 'val'; the two share no digit and no photo.
    """
    if split not in SPLITS:
        raise ConfigError(f'{split=} must be one of {SPLITS}')
    # Imported late: it takes a second, and naming CLASSES needs none of it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    indexes = []
    for digit in range(len(CLASSES)):
        of_class = np.flatnonzero(digits.target == digit)
        cut = round(len(of_class) * TRAIN_SHARE)
        indexes.append(of_class[:cut] if split == 'train' else of_class[cut:])
    images = (digits.images / 16).astype(np.float32)
    return Sources(
        glyphs=tuple(images[rows] for rows in indexes),
        glyph_indexes=tuple(indexes),
        photos=tuple(_load_photo(name) for name in PHOTOS[split]),
        photo_names=PHOTOS[split],
    )
