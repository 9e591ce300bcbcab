"""What may be wrong with the boxes, masks and crowds of a COCO file."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .report import Notes

Annotation = Mapping[str, Any]
# (width, height) by image id
Sizes = Mapping[Any, tuple[float, float]]

# Coordinates are rounded to two digits in the published files.
TOLERANCE = 1.0
# Below that side mmdet leaves an annotation out.
MIN_SIDE = 1.0
# Beyond any box.
FAR = 1e300
POLYGON_NUMBERS = 6


@dataclass
class CocoContent:
    """The complete records of an annotation file.

    Attributes:
        others: What else it holds, by its key.
    """

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    others: dict[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def sizes(self) -> Sizes:
        """(width, height) by image id."""
        return {x['id']: (x['width'], x['height']) for x in self.images}

    @functools.cached_property
    def boxes(self) -> np.ndarray:
        """(N, 4), those of the annotations; NaN where it is none."""
        none = [math.nan] * 4
        given = [x['bbox'] for x in self.annotations]
        boxes = np.array([x if _is_box(x) else none for x in given], float)
        return boxes.reshape(-1, 4)

    @functools.cached_property
    def limits(self) -> np.ndarray:
        """(N, 2), the sizes of their images; NaN where there is none."""
        # whole numbers of hundreds of digits are no floats
        sizes = {k: [min(x, FAR) for x in v] for k, v in self.sizes.items()}
        unknown = [math.nan] * 2
        found = [sizes.get(x['image_id'], unknown) for x in self.annotations]
        return np.array(found, float).reshape(-1, 2)

    @functools.cached_property
    def empty(self) -> np.ndarray:
        """(N,), where a box is too small for mmdet, or has no area."""
        none = np.array([x['area'] <= 0 for x in self.annotations], bool)
        small = (self.boxes[:, 2:] < MIN_SIDE).any(1)
        found: np.ndarray = small | (none & ~np.isnan(self.boxes[:, 0]))
        return found

    @functools.cached_property
    def objects(self) -> list[dict[str, Any]]:
        """Annotations that are no crowds, and large enough for mmdet."""
        pairs = zip(self.annotations, self.empty, strict=True)
        return [x for x, empty in pairs if not (x['iscrowd'] or empty)]

    @functools.cached_property
    def without_mask(self) -> list[dict[str, Any]]:
        """Annotations that have a box alone.

        Crowds and empty ones are among them: mmdet and pycocotools read their
        masks too.
        """
        return [x for x in self.annotations if not x.get('segmentation')]


def _is_box(box: Any) -> bool:
    try:
        return (
            len(box) == 4
            and set(map(type, box)) <= {int, float}
            and all(map(math.isfinite, box))
            and box[2] >= 0 <= box[3]
        )
    except (TypeError, OverflowError):  # whole numbers of hundreds of digits
        return False


def check_boxes(content: CocoContent, notes: Notes) -> None:
    """Note boxes that are none, that are empty, and that leave the image."""
    boxes, total = content.boxes, len(content.annotations)
    # an unknown size compares as False
    high = boxes[:, :2] + boxes[:, 2:] - TOLERANCE > content.limits
    low = (boxes[:, :2] < -TOLERANCE) & (content.limits >= 0)

    def those(mask: np.ndarray, more: str = '') -> list[str]:
        found = [content.annotations[i] for i in np.flatnonzero(mask)]
        sizes = [content.sizes.get(x['image_id'], ()) for x in found]
        return [
            f'annotation {x["id"]}: {x["bbox"]}'
            + more.format(*size, area=x['area'])
            for x, size in zip(found, sizes, strict=True)
        ]

    notes.error(
        'box-malformed',
        f'{{count}} of {total:,} boxes are not four finite numbers with '
        'width and height of at least 0',
        'write them as [x, y, width, height] in pixels',
        those(np.isnan(boxes[:, 0])),
    )
    notes.warning(
        'box-empty',
        f'{{count}} of {total:,} annotations have a side below '
        f'{MIN_SIDE:g} px or no area; mmdet leaves them out without a word',
        'correct or remove them; the published COCO has a few',
        those(content.empty, ', area {area}'),
    )
    outside = those((high | low).any(1), ' in {} x {}')
    corners = 2 * len(outside) > total
    notes.error(
        'box-outside',
        f'{{count}} of {total:,} boxes leave their image by more than '
        f'{TOLERANCE:g} px',
        'so many suggest corners instead of [x, y, width, height], or sizes '
        'of other images: write the file again'
        if corners
        else 'clip them to the image, or correct its width and height',
        outside,
        severity='error' if corners else 'warning',
    )


def check_masks(content: CocoContent, notes: Notes) -> None:
    """Note annotations without a mask, and masks that cannot be read."""
    wrong = []
    annotations, sizes = content.annotations, content.sizes
    masks = [x.get('segmentation') for x in annotations]
    sound = _are_polygons(x for x in masks if isinstance(x, list))
    for annotation, mask in zip(annotations, masks, strict=True):
        if mask and not (sound and isinstance(mask, list)):
            reason = _why_no_mask(mask, sizes.get(annotation['image_id']))
            if reason:
                wrong.append(f'annotation {annotation["id"]}: {reason}')
    notes.error(
        'mask-missing',
        f'{{count}} of {len(annotations):,} annotations have no mask',
        'Mask R-CNN needs one for each; for a set of boxes alone, train a '
        'detector without a mask head and with_mask=False (data check of '
        'paths: --boxes-only)',
        _bare(content),
    )
    notes.error(
        'mask-malformed',
        f'{{count}} of {len(annotations):,} masks cannot be read',
        'write polygons of at least three points [x1, y1, x2, y2, ...], or '
        'run lengths dict(size=[height, width], counts=...)',
        wrong,
    )
    if sound:
        _check_extents(content, notes)


def _check_extents(content: CocoContent, notes: Notes) -> None:
    """Note polygons that leave their image."""
    masks = [x.get('segmentation') for x in content.annotations]
    found = {i: x for i, x in enumerate(masks) if x and isinstance(x, list)}
    if not found:
        return
    drawn, polygons = list(found), list(found.values())
    lengths = [sum(map(len, x)) // 2 for x in polygons]
    numbers = itertools.chain.from_iterable(itertools.chain(*polygons))
    points = np.fromiter(numbers, float).reshape(-1, 2)
    starts = np.cumsum([0, *lengths[:-1]])
    low = np.minimum.reduceat(points, starts)
    high = np.maximum.reduceat(points, starts)
    limits = content.limits[drawn]  # an unknown size compares as False
    outside = (low < -TOLERANCE) & (limits >= 0)
    outside |= high - TOLERANCE > limits
    notes.warning(
        'mask-outside',
        f'{{count}} of {len(masks):,} masks leave their image by more than '
        f'{TOLERANCE:g} px; what is outside is cut off, and an object of '
        'which nothing is left is not learned',
        'clip them to the image, or correct its width and height',
        [
            'annotation {}: x {:g} to {:g}, y {:g} to {:g} in {:g} x {:g}'
            .format(
                content.annotations[drawn[i]]['id'],
                *(low[i, 0], high[i, 0], low[i, 1], high[i, 1]),
                *limits[i],
            )
            for i in np.flatnonzero(outside.any(1))
        ],
    )  # fmt: skip


def tell_unused_masks(content: CocoContent, notes: Notes) -> None:
    """Note that those there are will not do, as others are missing."""
    total = len(content.annotations)
    if len(content.without_mask) < total:
        notes.warning(
            'mask-missing',
            f'{{count}} of {total:,} annotations have no mask, so that boxes '
            'alone are learned and scored',
            'Mask R-CNN needs a mask for each, crowds too: add them, or '
            'remove these annotations',
            _bare(content),
        )


def _bare(content: CocoContent) -> list[str]:
    return [f'annotation {x["id"]}' for x in content.without_mask]


def _why_no_mask(mask: Any, size: tuple[float, float] | None) -> str:
    """What is wrong with a mask; empty if nothing is."""
    if isinstance(mask, Mapping):
        return _why_no_run_lengths(mask, size)
    if not isinstance(mask, list):
        return f'a {type(mask).__name__}'
    for polygon in mask:
        if not isinstance(polygon, list) or not _are_numbers(polygon):
            return 'a polygon that is no list of numbers'
        if len(polygon) < POLYGON_NUMBERS or len(polygon) % 2:
            return f'a polygon of {len(polygon)} numbers'
    return ''


def _are_polygons(masks: Iterable[list[Any]]) -> bool:
    """Whether all are sound: much faster than to ask one by one."""
    polygons = list(itertools.chain.from_iterable(masks))
    if not set(map(type, polygons)) <= {list}:
        return False
    lengths = set(map(len, polygons))
    return (
        all(x >= POLYGON_NUMBERS and x % 2 == 0 for x in lengths)
        and set(map(type, itertools.chain.from_iterable(polygons)))
        <= {int, float}
        and _are_finite(itertools.chain.from_iterable(polygons))
    )


def _are_numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= {int, float} and _are_finite(values)


def _are_finite(values: Iterable[float]) -> bool:
    """Whether numbers are finite, as floats too."""
    try:
        return math.isfinite(float(sum(values)))
    except OverflowError:  # of whole numbers of hundreds of digits
        return False


def _why_no_run_lengths(
    mask: Mapping[str, Any], size: tuple[float, float] | None
) -> str:
    """Too short ones are decoded by pycocotools to what lies in memory."""
    stated, counts = mask.get('size'), mask.get('counts')
    if not isinstance(counts, (list, str)):
        return 'run lengths without counts'
    if size is not None and stated != [size[1], size[0]]:
        return f'run lengths of size {stated} instead of {[size[1], size[0]]}'
    if not isinstance(stated, list) or not _are_numbers(stated):
        return f'run lengths of size {stated}'
    try:
        runs = counts if isinstance(counts, list) else unpack_counts(counts)
        total, least = sum(runs), min(runs)
    except (ValueError, TypeError) as error:
        return f'run lengths that cannot be read ({error})'
    if least < 0 or total != math.prod(stated):
        return (
            f'run lengths that add up to {total:,} instead of '
            f'{math.prod(stated):,} pixels'
        )
    return ''


def unpack_counts(text: str) -> list[int]:
    """The run lengths of COCO's compressed form.

    Each character holds five bits, the lowest first, and whether more follow;
    from the fourth on, a number is the difference to the one before the last.

    Raises:
        ValueError: If the text is of another form.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f'{character!r} is no character of theirs')
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift or not runs:
        raise ValueError('they break off')
    return runs


def check_crowds(content: CocoContent, notes: Notes) -> None:
    """Note crowd flags that are none, and sets that are mostly crowds.

    Crowds, regions of many objects, are neither trained nor counted, as
    COCO defines it; a converter that sets the flag everywhere empties a set.
    """
    total = len(content.annotations)
    crowds = [x for x in content.annotations if x['iscrowd']]
    odd = [x for x in crowds if x['iscrowd'] != 1]
    notes.error(
        'crowd-flag',
        f'{{count}} of {total:,} annotations have another iscrowd than 0 or 1',
        'write 0 for a single object and 1 for a crowd',
        [f'annotation {x["id"]}: iscrowd {x["iscrowd"]!r}' for x in odd],
    )
    if 2 * len(crowds) > total:
        notes.error(
            'crowd-majority',
            f'{{count}} of {total:,} annotations are crowds, which are '
            'neither trained nor counted',
            'set iscrowd to 0 for every single object',
            [f'annotation {x["id"]}' for x in crowds],
        )
