"""Draw what a network sees, or should see. Pictures are RGB uint8 (H, W, 3).

supervision does the drawing; its colours are used unless a data set has
chosen its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from .objects import Objects

Palette = Sequence[Sequence[int]]


def draw_objects(
    picture: np.ndarray,
    objects: Objects,
    names: Sequence[str],
    palette: Palette = (),
    with_scores: bool = True,
) -> np.ndarray:
    """Masks, boxes and names over a picture, in the colours of the classes.

    Args:
        picture: Left as it is.
        objects: Of this picture.
        names: By label; numbers where there are none.
        palette: RGB by label.
        with_scores: Write the score behind the name.
    """
    import supervision as sv

    colors = (
        sv.ColorPalette([sv.Color(*(int(x) for x in rgb)) for rgb in palette])
        if len(palette)
        else sv.ColorPalette.DEFAULT
    )
    size = (picture.shape[0], picture.shape[1])
    boxes = objects.boxes.astype(np.float32)
    found = sv.Detections(
        xyxy=boxes,
        mask=None
        if objects.masks is None
        else sv.CompactMask.from_coco_rle(
            objects.masks, _around(objects, size), size
        ),
        confidence=objects.scores.astype(np.float32),
        class_id=objects.labels.astype(int),
    )
    canvas: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if len(found):
        scale = sv.calculate_optimal_text_scale((size[1], size[0]))
        thickness = sv.calculate_optimal_line_thickness((size[1], size[0]))
        if found.mask is not None:
            canvas = sv.MaskAnnotator(colors).annotate(canvas, found)
        canvas = sv.BoxAnnotator(colors, thickness).annotate(canvas, found)
        canvas = sv.LabelAnnotator(
            colors,
            text_color=sv.Color.BLACK,
            text_scale=scale,
            text_padding=max(2, round(5 * scale)),
        ).annotate(canvas, found, _texts(objects, names, with_scores))
    return cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)


def draw_label_map(
    picture: np.ndarray, labels: np.ndarray, palette: Palette = ()
) -> np.ndarray:
    """Colours of the classes over a picture, half and half.

    Args:
        picture: Left as it is.
        labels: (H, W); 255 and whatever has no colour stays as it is.
        palette: RGB by label, see :func:`label_colours`.
    """
    colours = np.array(
        palette if len(palette) else label_colours(int(labels.max()) + 1),
        np.uint8,
    )
    known = (labels >= 0) & (labels < len(colours)) & (labels != 255)
    shown = picture.copy()
    mixed = picture[known].astype(np.uint16) + colours[labels[known]]
    shown[known] = mixed // 2
    return shown


def label_colours(number: int) -> list[tuple[int, int, int]]:
    """RGB for classes without a palette of their own."""
    import supervision as sv

    colours = sv.ColorPalette.DEFAULT.colors
    return [colours[i % len(colours)].as_rgb() for i in range(number)]


def enlarge(picture: np.ndarray, side: int = 320) -> np.ndarray:
    """At least so many pixels on the shorter side, smoothly."""
    zoom = side / min(picture.shape[:2])
    if zoom <= 1:
        return picture
    size = (round(picture.shape[1] * zoom), round(picture.shape[0] * zoom))
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


def enlarge_objects(
    objects: Objects, size: tuple[int, int], side: int = 320
) -> Objects:
    """Objects of a picture of (H, W) for what :func:`enlarge` makes of it."""
    from pycocotools import mask as coco_mask

    from .objects import as_text

    zoom = side / min(size)
    if zoom <= 1:
        return objects
    target = (round(size[1] * zoom), round(size[0] * zoom))
    masks = None
    if objects.masks is not None:
        masks = []
        for rle in objects.masks:
            soft = coco_mask.decode(rle).astype(np.float32)
            # resized as a picture and cut at one half, the outline is smooth
            large = cv2.resize(soft, target, interpolation=cv2.INTER_LINEAR)
            solid = np.asfortranarray((large > 0.5).astype(np.uint8))
            masks.append(as_text(coco_mask.encode(solid)))
    return Objects(objects.boxes * zoom, objects.labels, objects.scores, masks)


def _around(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """The boxes of the masks, not of the objects: a mask may stick out."""
    from pycocotools import mask as coco_mask

    if not objects.masks:
        return np.zeros((0, 4), np.float32)
    boxes = coco_mask.toBbox(objects.masks)
    boxes[:, 2:] = np.maximum(boxes[:, :2] + boxes[:, 2:] - 1, boxes[:, :2])
    limits = np.array([size[1] - 1, size[0] - 1] * 2)
    return np.minimum(boxes, limits).astype(np.float32)


def _texts(
    objects: Objects, names: Sequence[str], with_scores: bool
) -> list[str]:
    texts = [
        names[label] if label < len(names) else str(label)
        for label in objects.labels
    ]
    if not with_scores:
        return texts
    return [
        f'{text} {score:.2f}'
        for text, score in zip(texts, objects.scores, strict=True)
    ]
