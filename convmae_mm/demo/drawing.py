"""Draw what models see, large enough to look at.

Pictures are uint8 RGB arrays (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 320  # px, of a drawn picture's shorter side
_FONT_SIZE = 17

# One colour per class that can be told from its neighbours on most photos.
PALETTE = (
    (230, 25, 75),
    (60, 180, 75),
    (255, 225, 25),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (250, 190, 212),
)


@dataclass(frozen=True)
class Instances:
    """Objects in a picture, found or true.

    Attributes:
        boxes: (N, 4), corners x1 y1 x2 y2 in pixels.
        masks: bool (N, H, W).
        labels: (N,), 0-based classes.
        scores: (N,), None for the truth.
    """

    boxes: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None


def enlarge(image: np.ndarray) -> np.ndarray:
    """To SIDE pixels on the shorter side, smoothly."""
    return cv2.resize(image, _size(image), interpolation=cv2.INTER_CUBIC)


def draw_instances(
    image: np.ndarray, instances: Instances, names: Sequence[str]
) -> np.ndarray:
    """Lay masks, boxes and names over a picture."""
    canvas = enlarge(image).astype(np.float32)
    for mask, label in zip(instances.masks, instances.labels, strict=True):
        inside = _enlarge_mask(mask)
        canvas[inside] = 0.45 * canvas[inside] + 0.55 * np.array(
            PALETTE[label], np.float32
        )
    picture = Image.fromarray(canvas.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_FONT_SIZE)
    zoom = picture.height / image.shape[0]
    scores = instances.scores
    for i, (box, label) in enumerate(
        zip(instances.boxes, instances.labels, strict=True)
    ):
        color = PALETTE[label]
        corners = [float(value) * zoom for value in box]
        draw.rectangle(corners, outline=color, width=2)
        text = names[label]
        if scores is not None:
            text += f' {scores[i]:.2f}'
        _draw_tag(draw, text, corners, color, font, picture.size)
    return np.asarray(picture)


def draw_label_map(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Colour the digits of a label map over the greyed picture.

    Args:
        image: (H, W, 3).
        labels: (H, W), 0 background, 1 to 10 the digits, 255 unlabelled.
    """
    grey = cv2.cvtColor(enlarge(image), cv2.COLOR_RGB2GRAY)
    canvas = np.repeat(grey[..., None], 3, 2).astype(np.float32) * 0.6
    for index, color in enumerate(PALETTE, start=1):
        inside = _enlarge_mask(labels == index)
        canvas[inside] = 0.25 * canvas[inside] + 0.75 * np.array(
            color, np.float32
        )
    return canvas.clip(0, 255).astype(np.uint8)


def _draw_tag(
    draw: ImageDraw.ImageDraw,
    text: str,
    corners: Sequence[float],
    color: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """A name above its box, or inside it where the picture ends."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = min(max(corners[0], 0), size[0] - width)
    y = corners[1] - height if corners[1] >= height else corners[1]
    draw.rectangle((x, y, x + width, y + height), fill=color)
    red, green, blue = color
    bright = 0.3 * red + 0.59 * green + 0.11 * blue > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    draw.text((x + 3 - left, y + 3 - top), text, fill=ink, font=font)


def _size(image: np.ndarray) -> tuple[int, int]:
    """(width, height) of the enlarged picture."""
    zoom = SIDE / min(image.shape[:2])
    return round(image.shape[1] * zoom), round(image.shape[0] * zoom)


def _enlarge_mask(mask: np.ndarray) -> np.ndarray:
    # Resized as a picture and cut at one half, the outline stays smooth.
    soft = cv2.resize(
        mask.astype(np.float32), _size(mask), interpolation=cv2.INTER_LINEAR
    )
    return soft > 0.5
