"""From an 8 x 8 digit to a smooth, warped, coloured shape."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

# Cells of empty border around the 8 x 8 digit, so that interpolation fades
# to nothing instead of being cut at the frame.
_BORDER = 2
_GLYPH_CELLS = 8
# Pixels per cell of the enlarged master that the warp reads from.
_MASTER_SCALE = 12

# How many digits have a colour that says nothing about their class, and how
# far the hues of a class spread: neighbours are 0.1 of the circle apart.
FREE_COLOUR_SHARE = 0.15
HUE_SPREAD = 0.02


@dataclass(frozen=True)
class Warp:
    """How a digit lies in the picture.

    Args:
        height: height of the digit in pixels before rotation.
        aspect: width over height, 1 for the square original.
        angle: rotation in degrees, counter-clockwise.
        shear: horizontal shift per unit of height.
        level: grey value in (0, 1) that becomes the outline; lower is bolder.
    """

    height: float
    aspect: float
    angle: float
    shear: float
    level: float


def sample_warp(rng: np.random.Generator, height: float) -> Warp:
    """Draw a warp that keeps a digit legible: a 6 never becomes a 9."""
    return Warp(
        height=height,
        aspect=float(rng.uniform(0.75, 1.15)),
        angle=float(np.clip(rng.normal(0, 11), -28, 28)),
        shear=float(rng.uniform(-0.25, 0.25)),
        level=float(rng.uniform(0.28, 0.46)),
    )


def render_alpha(glyph: np.ndarray, warp: Warp) -> np.ndarray:
    """Enlarge and warp a digit.

    Args:
        glyph: (8, 8) in [0, 1].
        warp: size and pose.

    Returns:
        (S, S) float32 coverage in [0, 1], the digit's middle in the centre.
        The outline is about 1.5 pixels soft at any size.
    """
    cells = _GLYPH_CELLS + 2 * _BORDER
    master_size = cells * _MASTER_SCALE
    master = Image.fromarray(np.pad(glyph, _BORDER)).resize(
        (master_size, master_size), Image.Resampling.BICUBIC
    )
    cell = warp.height / _GLYPH_CELLS  # pixels per cell of the digit
    side = math.ceil(1.7 * warp.height * max(1.0, warp.aspect))
    cos, sin = (
        math.cos(math.radians(warp.angle)),
        math.sin(math.radians(warp.angle)),
    )
    # PIL asks where each output pixel comes from: undo rotation, shear and
    # scale, in this order, around the two centres.
    rotate = np.array([[cos, -sin], [sin, cos]])
    shear = np.array([[1.0, warp.shear], [0.0, 1.0]])
    scale = np.diag([1 / warp.aspect, 1.0]) * (_MASTER_SCALE / cell)
    inverse = scale @ shear @ rotate
    offset = master_size / 2 - inverse @ np.full(2, side / 2)
    warped = master.transform(
        (side, side),
        Image.Transform.AFFINE,
        data=(*inverse[0], offset[0], *inverse[1], offset[1]),
        resample=Image.Resampling.BILINEAR,
    )
    # Grey values rise by about 1 over a cell, that is 1 / cell per pixel.
    softness = min(1.5 / cell, 0.6)
    ramp = (np.asarray(warped) - warp.level) / softness + 0.5
    return np.clip(ramp, 0, 1).astype(np.float32)


def _luma(colour: np.ndarray) -> np.ndarray:
    return colour @ np.array([0.299, 0.587, 0.114], np.float32)


def colour_difference(first: np.ndarray, second: np.ndarray) -> float:
    """How far apart two RGB colours in [0, 1] look; black to white is 1.

    Brightness counts in full, hue and saturation by half, about as much as
    they help to read a shape.
    """
    luma = _luma(first) - _luma(second)
    chroma = (first - second) - luma
    return float(np.hypot(luma, 0.5 * np.linalg.norm(chroma)))


def sample_colour(
    rng: np.random.Generator,
    digit: int,
    background: np.ndarray,
    min_difference: float,
    max_tries: int = 40,
) -> np.ndarray:
    """Draw a colour that stands out from what lies behind.

    As sky is blue and grass green, a digit's colour hints at its class: most
    have a hue near ``digit / 10`` of the colour circle. A share of
    ``FREE_COLOUR_SHARE`` has any colour, and the shape alone tells.

    Args:
        rng: source of randomness.
        digit: 0 to 9.
        background: (N, 3) RGB pixels in [0, 1] that will be covered.
        min_difference: smallest ``colour_difference`` from their mean.
        max_tries: after that many draws the most different colour is taken.
    """
    draw = (
        _any_colour
        if rng.random() < FREE_COLOUR_SHARE
        else partial(_class_colour, digit=digit)
    )
    mean = background.mean(0)
    best, best_difference = mean, -1.0
    for _ in range(max_tries):
        colour = draw(rng)
        difference = colour_difference(colour, mean)
        if difference > best_difference:
            best, best_difference = colour, difference
        if difference >= min_difference:
            break
    return best


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    if rng.random() < 0.25:  # as grey as the grey photos
        grey = _luma(colour) + rng.normal(0, 0.03, 3)
        colour = np.clip(grey, 0, 1).astype(np.float32)
    return colour


def _class_colour(rng: np.random.Generator, digit: int) -> np.ndarray:
    hue = digit / 10 + rng.normal(0, HUE_SPREAD)
    saturation, value = rng.uniform(0.55, 1), rng.uniform(0.4, 1)
    return np.array(hsv_to_rgb(hue % 1, saturation, value), np.float32)


def sample_fill(
    rng: np.random.Generator,
    colour: np.ndarray,
    side: int,
    texture: Image.Image,
) -> np.ndarray:
    """Paint for a digit: plain, a gradient, or a photo's texture.

    Args:
        rng: source of randomness.
        colour: RGB in [0, 1], the mean of the paint.
        side: side of the square to paint, in pixels.
        texture: photo whose brightness modulates the textured paint.

    Returns:
        (S, S, 3) float32 in [0, 1].
    """
    paint = np.broadcast_to(colour, (side, side, 3))
    kind = rng.choice(['plain', 'gradient', 'texture'], p=[0.45, 0.3, 0.25])
    if kind == 'gradient':
        towards = rng.normal(0, 0.2, 3).astype(np.float32)
        paint = colour + linear_ramp(rng, (side, side))[..., None] * towards
    elif kind == 'texture':
        crop = random_crop(rng, texture, (side, side), (0.2, 0.5))
        luma = _luma(np.asarray(crop, np.float32) / 255)
        luma = (luma - luma.mean()) / (luma.std() + 0.05)
        paint = colour + 0.1 * np.clip(luma, -2, 2)[..., None]
    return np.clip(paint, 0, 1).astype(np.float32)


def linear_ramp(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A plane through [-1, 1] in a random direction, (H, W) float32."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.meshgrid(
        np.linspace(-1, 1, size[0], dtype=np.float32),
        np.linspace(-1, 1, size[1], dtype=np.float32),
        indexing='ij',
    )
    ramp = math.cos(angle) * x + math.sin(angle) * y
    return ramp / np.float32(math.sqrt(2))


def random_crop(
    rng: np.random.Generator,
    photo: Image.Image,
    size: tuple[int, int],
    share: tuple[float, float],
) -> Image.Image:
    """Cut a piece with the aspect of ``size`` and resize it to that.

    Args:
        rng: source of randomness.
        photo: RGB.
        size: (height, width) of the result.
        share: range of the crop's extent relative to the largest crop with
            this aspect that the photo holds.
    """
    height, width = size
    largest = min(photo.height / height, photo.width / width)
    factor = largest * rng.uniform(*share)
    crop_h, crop_w = height * factor, width * factor
    top = rng.uniform(0, photo.height - crop_h)
    left = rng.uniform(0, photo.width - crop_w)
    crop = photo.resize(
        (width, height),
        Image.Resampling.BICUBIC,
        box=(left, top, left + crop_w, top + crop_h),
    )
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return crop
