"""Digits on a photograph, with exact masks of what is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .rendering import (
    linear_ramp,
    random_crop,
    render_alpha,
    sample_colour,
    sample_fill,
    sample_warp,
)
from .sources import Sources


@dataclass(frozen=True)
class SceneStyle:
    """What scenes may look like.

    Args:
        size: (height, width) in pixels.
        num_digits: smallest and largest number of digits aimed at.
        digit_height: their height, as a share of the scene's shorter side.
        margin: digits are centred at least that share of each side inside.
    """

    size: tuple[int, int]
    num_digits: tuple[int, int]
    digit_height: tuple[float, float]
    margin: float


@dataclass(frozen=True)
class Instance:
    """A digit in a scene.

    Args:
        digit: 0 to 9.
        glyph_index: its row in ``sklearn.load_digits()``.
        mask: (H, W) bool, the part that is visible.
        full_area: pixels it would cover if nothing hid or cut it off.
    """

    digit: int
    glyph_index: int
    mask: np.ndarray
    full_area: int


@dataclass(frozen=True)
class Scene:
    """A picture and the digits in it.

    Args:
        image: (H, W, 3) uint8, RGB.
        instances: in the order of painting; no two masks share a pixel.
        photo_name: the photo in the background.
    """

    image: np.ndarray
    instances: tuple[Instance, ...]
    photo_name: str


# A digit counts as legible, and its label as right, while this much of its
# shape is visible. What would go below is moved elsewhere or left out.
MIN_VISIBLE_SHARE = 0.7
_MAX_TRIES = 20


def _background(
    rng: np.random.Generator, photo: Image.Image, size: tuple[int, int]
) -> np.ndarray:
    """A random crop with its own contrast, brightness and tint."""
    crop = random_crop(rng, photo, size, (0.3, 1.0))
    image = np.asarray(crop, np.float32) / 255
    mean = image.mean((0, 1), keepdims=True)
    image = mean + (image - mean) * rng.uniform(0.6, 1.1)
    tint = rng.uniform(0.8, 1.2, 3) * rng.uniform(0.8, 1.2)
    return np.clip(image * tint, 0, 1).astype(np.float32)


def _windows(
    top: int, left: int, side: int, size: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a square patch lies in the picture, and which part of it."""
    bottom, right = min(top + side, size[0]), min(left + side, size[1])
    inside_top, inside_left = max(top, 0), max(left, 0)
    return (
        (slice(inside_top, bottom), slice(inside_left, right)),
        (
            slice(inside_top - top, bottom - top),
            slice(inside_left - left, right - left),
        ),
    )


def _finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Light from one side, a slight blur, sensor noise; float to uint8."""
    height, width = image.shape[:2]
    light = 1 + rng.uniform(0, 0.25) * linear_ramp(rng, (height, width))
    image = np.clip(image * light[..., None], 0, 1)
    if rng.random() < 0.5:
        # In pixels of a 128-px scene, so that larger scenes look the same.
        radius = rng.uniform(0.2, 0.8) * min(height, width) / 128
        blurred = Image.fromarray((image * 255).round().astype(np.uint8))
        blurred = blurred.filter(ImageFilter.GaussianBlur(radius))
        image = np.asarray(blurred, np.float32) / 255
    sigma = rng.uniform(0, 0.035)
    image = image + rng.normal(0, sigma, image.shape)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


@dataclass
class _Canvas:
    """The scene while it is being painted."""

    image: np.ndarray
    visible: list[np.ndarray]
    full_areas: list[int]
    labels: list[tuple[int, int]]

    def leaves_enough(
        self, new: np.ndarray, new_area: int, min_area: int
    ) -> bool:
        """Whether all digits stay legible once ``new`` is painted."""
        masks = [mask & ~new for mask in self.visible] + [new]
        areas = [*self.full_areas, new_area]
        return all(
            mask.sum() >= max(MIN_VISIBLE_SHARE * area, min_area)
            for mask, area in zip(masks, areas, strict=True)
        )

    def add(self, mask: np.ndarray, area: int, label: tuple[int, int]) -> None:
        self.visible = [old & ~mask for old in self.visible] + [mask]
        self.full_areas.append(area)
        self.labels.append(label)


def _place_digit(
    rng: np.random.Generator,
    canvas: _Canvas,
    sources: Sources,
    style: SceneStyle,
    digit: int,
) -> None:
    """Paint one digit where it hides no other; leave it out if nowhere."""
    height, width = style.size
    row = int(rng.integers(len(sources.glyphs[digit])))
    min_area = round(0.002 * height * width)
    for _ in range(_MAX_TRIES):
        low, high = np.log(style.digit_height)
        share = float(np.exp(rng.uniform(low, high)))
        warp = sample_warp(rng, share * min(height, width))
        alpha = render_alpha(sources.glyphs[digit][row], warp)
        side = len(alpha)
        centre = rng.uniform(style.margin, 1 - style.margin, 2)
        top = round(centre[0] * height - side / 2)
        left = round(centre[1] * width - side / 2)
        there, here = _windows(top, left, side, style.size)
        mask = np.zeros(style.size, bool)
        mask[there] = alpha[here] > 0.5
        area = int((alpha > 0.5).sum())
        if not canvas.leaves_enough(mask, area, min_area):
            continue
        covered = canvas.image[mask]
        # One in five is hard to see; clutter behind asks for more contrast.
        contrast = 0.16 if rng.random() < 0.2 else 0.32
        contrast += 0.5 * float(covered.std(0).mean())
        colour = sample_colour(rng, digit, covered, contrast)
        texture = sources.photos[int(rng.integers(len(sources.photos)))]
        paint = sample_fill(rng, colour, side, texture)
        cover = alpha[here][..., None]
        canvas.image[there] += cover * (paint[here] - canvas.image[there])
        index = int(sources.glyph_indexes[digit][row])
        canvas.add(mask, area, (digit, index))
        return


def compose_scene(
    rng: np.random.Generator,
    sources: Sources,
    style: SceneStyle,
    digits: tuple[int, ...] | None = None,
) -> Scene:
    """Make one picture.

    Args:
        rng: decides everything; the same state gives the same scene.
        sources: digits and photos to draw from.
        style: size and density.
        digits: which digits to place, in this order; by default as many as
            ``style.num_digits`` says, all classes alike.

    A digit is left out, not mislabelled, if after twenty tries it hides
    another or itself by more than ``1 - MIN_VISIBLE_SHARE``. The first one
    is always placed when ``style.margin`` is at least half its height.
    """
    if digits is None:
        low, high = style.num_digits
        count = int(rng.integers(low, high + 1))
        digits = tuple(int(digit) for digit in rng.integers(10, size=count))
    photo = int(rng.integers(len(sources.photos)))
    canvas = _Canvas(
        _background(rng, sources.photos[photo], style.size), [], [], []
    )
    for digit in digits:
        _place_digit(rng, canvas, sources, style, digit)
    instances = tuple(
        Instance(digit, index, mask, area)
        for (digit, index), mask, area in zip(
            canvas.labels, canvas.visible, canvas.full_areas, strict=True
        )
    )
    return Scene(
        _finish(rng, canvas.image), instances, sources.photo_names[photo]
    )
