"""What may be wrong with the boxes, masks and crowds of a COCO file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .report import Report

Annotation = Mapping[str, Any]
# (width, height) by image id
Sizes = Mapping[Any, tuple[float, float]]

# Coordinates are rounded to two digits in the published files.
TOLERANCE = 1.0
# Below that side mmdet leaves an annotation out.
MIN_SIDE = 1.0
POLYGON_NUMBERS = 6


def look_closer(
    annotations: Sequence[Annotation], sizes: Sizes
) -> Sequence[Annotation]:
    """Those whose box may have a fault; all of them if one is no box."""
    boxes = [x['bbox'] for x in annotations]
    try:
        kinds = set(map(type, itertools.chain.from_iterable(boxes)))
        numbers = np.array(boxes, float).reshape(len(boxes), 4)
        unknown = (math.nan, math.nan)
        images = [sizes.get(x['image_id'], unknown) for x in annotations]
        limits = np.array(images, float).reshape(len(boxes), 2)
        areas = np.array([x['area'] for x in annotations], float)
    except (TypeError, ValueError, OverflowError):
        return annotations
    if not kinds <= {int, float}:
        return annotations
    ignored = np.array([bool(x.get('ignore')) for x in annotations], bool)
    start, side = numbers[:, :2], numbers[:, 2:]
    fine = (
        np.isfinite(numbers).all(1)
        & (side >= MIN_SIDE).all(1)
        & (start >= -TOLERANCE).all(1)
        # an unknown size compares as False
        & (start + side <= limits + TOLERANCE).all(1)
        & (start < limits).all(1)
        & (areas > 0)
        & ~ignored
    )
    return [annotations[i] for i in np.flatnonzero(~fine)]


def check_boxes(
    annotations: Sequence[Annotation],
    total: int,
    sizes: Sizes,
    part: str,
    report: Report,
) -> None:
    """Note boxes that are none, that are empty, and that leave the image.

    Args:
        annotations: Those of :func:`look_closer`.
        total: Of how many they are.
        sizes: Of the images.
        part: Name in the report.
        report: Where faults go.
    """
    malformed, empty, outside = [], [], []
    for annotation in annotations:
        box = annotation['bbox']
        if not _is_box(box):
            malformed.append(_name(annotation))
            continue
        if box[2] < MIN_SIDE or box[3] < MIN_SIDE or annotation['area'] <= 0:
            area = annotation['area']
            empty.append(f'{_name(annotation)}, area {area}')
        size = sizes.get(annotation['image_id'])
        if size is not None and _leaves(box, size):
            outside.append(f'{_name(annotation)} in {size[0]} x {size[1]}')
    report.add(
        'box-malformed',
        part,
        f'{{count}} of {total:,} boxes are not four finite numbers with '
        'width and height of at least 0',
        'write them as [x, y, width, height] in pixels',
        malformed,
    )
    report.add(
        'box-empty',
        part,
        f'{{count}} of {total:,} annotations have a side below '
        f'{MIN_SIDE:g} px or no area; mmdet leaves them out without a word',
        'correct or remove them; the published COCO has a few',
        empty,
        severity='warning',
    )
    corners = 2 * len(outside) > total
    report.add(
        'box-outside',
        part,
        f'{{count}} of {total:,} boxes leave their image by more than '
        f'{TOLERANCE:g} px',
        'so many suggest corners instead of [x, y, width, height], or sizes '
        'of other images: write the file again'
        if corners
        else 'clip them to the image, or correct its width and height',
        outside,
        severity='error' if corners else 'warning',
    )


def _name(annotation: Annotation) -> str:
    return f'annotation {annotation["id"]}: {annotation["bbox"]}'


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, (list, tuple))
        and len(box) == 4
        and all(_is_number(x) for x in box)
        and box[2] >= 0
        and box[3] >= 0
    )


def _is_number(value: Any) -> bool:
    # bool is an int to Python, and no coordinate
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and _are_finite([value])
    )


def _leaves(box: Sequence[float], size: tuple[float, float]) -> bool:
    x, y, width, height = box
    return (
        min(x, y) < -TOLERANCE
        # compared with whole numbers of any length, never added to them
        or x + width - TOLERANCE > size[0]
        or y + height - TOLERANCE > size[1]
    )


def check_masks(
    annotations: Sequence[Annotation],
    sizes: Sizes,
    part: str,
    report: Report,
) -> None:
    """Note annotations without a mask, and masks that cannot be read."""
    missing, wrong = [], []
    sound = _are_polygons(
        x['segmentation']
        for x in annotations
        if isinstance(x.get('segmentation'), list)
    )
    for annotation in annotations:
        mask = annotation.get('segmentation')
        if not mask:
            missing.append(f'annotation {annotation["id"]}')
            continue
        if sound and isinstance(mask, list):
            continue
        reason = _why_no_mask(mask, sizes.get(annotation['image_id']))
        if reason:
            wrong.append(f'annotation {annotation["id"]}: {reason}')
    report.add(
        'mask-missing',
        part,
        f'{{count}} of {len(annotations):,} annotations have no mask',
        'Mask R-CNN needs one for each; for a set of boxes alone, train a '
        'detector without a mask head and with_mask=False (data check of '
        'paths: --boxes-only)',
        missing,
    )
    report.add(
        'mask-malformed',
        part,
        f'{{count}} of {len(annotations):,} masks cannot be read',
        'write polygons of at least three points [x1, y1, x2, y2, ...], or '
        'run lengths dict(size=[height, width], counts=...)',
        wrong,
    )


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


def check_crowds(
    annotations: Sequence[Annotation], part: str, report: Report
) -> None:
    """Note crowd flags that are none, and sets that are mostly crowds.

    Crowds, regions of many objects, are neither trained nor counted, as
    COCO defines it; a converter that sets the flag everywhere empties a set.
    """
    flags = [x['iscrowd'] for x in annotations]
    report.add(
        'crowd-flag',
        part,
        f'{{count}} of {len(flags):,} annotations have another iscrowd than '
        '0 or 1',
        'write 0 for a single object and 1 for a crowd',
        [
            f'annotation {x["id"]}: iscrowd {x["iscrowd"]!r}'
            for x in annotations
            if x['iscrowd'] not in (0, 1)
        ],
    )
    crowds = [f'annotation {x["id"]}' for x in annotations if x['iscrowd']]
    if 2 * len(crowds) > len(flags):
        report.add(
            'crowd-majority',
            part,
            f'{{count}} of {len(flags):,} annotations are crowds, which are '
            'neither trained nor counted',
            'set iscrowd to 0 for every single object',
            crowds,
        )
