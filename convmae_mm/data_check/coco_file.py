"""What may be wrong inside a COCO annotation file.

Legend: *images*, *annotations* and *categories* are the three lists of such a
file; boxes are [x, y, width, height] in pixels.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convmae_mm.datasets.coco_by_name import (
    COMPUTED_FIELDS,
    SIDES,
    complete,
    complete_image,
)

from .coco_classes import ExpectedClasses, check_classes, check_use, some
from .coco_instances import (
    MIN_SIDE,
    CocoContent,
    check_boxes,
    check_crowds,
    check_masks,
    tell_unused_masks,
)
from .json_files import read_json
from .places import how_to_place
from .report import Notes

ID = (int, str)
NUMBER = (int, float)
# Fields and the types that they may have; boxes are judged by themselves.
# mmdet reads the area when it trains, pycocotools iscrowd when it scores.
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    'images': dict(id=ID, file_name=(str,), width=NUMBER, height=NUMBER),
    'annotations': dict(
        **dict(id=ID, image_id=ID, category_id=ID, bbox=(object,)),
        **dict(area=NUMBER, iscrowd=(int,)),
    ),
    'categories': dict(id=ID, name=(str,)),
}
# From what fields are computed that are missing.
HOW = {
    'images': 'sizes from the pictures',
    'annotations': 'areas and boxes from masks or boxes, iscrowd as 0',
}


def read_annotations(ann_file: Path, root: Path, notes: Notes) -> Any:
    """The content of an annotation file, or None after noting why not."""
    if ann_file.is_file():
        return read_json(ann_file, notes)
    problem = f'the annotation file {ann_file} does not exist'
    remedy = how_to_place(ann_file, root)
    if ann_file.is_dir():
        problem = f'{ann_file} is a folder, no annotation file'
        remedy = f'name a file; it holds {some(_names(ann_file))}'
    notes.error('annotation-file-missing', problem, remedy)
    return None


def _names(folder: Path) -> list[str]:
    return sorted(x.name for x in folder.iterdir()) or ['nothing']


def check_coco(
    data: Any,
    notes: Notes,
    expected: ExpectedClasses | None = None,
    with_masks: bool | None = True,
    learned: bool = True,
    labelled: bool = True,
    bare_will_do: bool = False,
    pictures: str | os.PathLike | None = None,
) -> CocoContent | None:
    """Note what is wrong with the content of a COCO file.

    Args:
        data: As JSON gave it.
        notes: Where faults go.
        expected: The classes of the config; None if any will do.
        with_masks: Whether each annotation needs an instance mask; None
            where masks are used if all have one.
        learned: Whether a class without annotations is worth a word.
        labelled: Whether annotations are needed; otherwise they are not
            looked at, and may be missing.
        bare_will_do: Whether pictures without any annotation, such as COCO's
            test-dev, are only unusual.
        pictures: The folder of the pictures, which tell the sizes that images
            lack.

    Returns:
        The records that have every field, or None if it is no COCO file.
    """
    if isinstance(data, dict) and (
        not labelled
        or (bare_will_do and 'images' in data and not data.get('annotations'))
    ):
        data = {**data, 'annotations': []}
    if not isinstance(data, dict) or not all(
        isinstance(data.get(name), list) for name in FIELDS
    ):
        kind = type(data).__name__
        seen = f'a dict with {sorted(data)[:8]}' if kind == 'dict' else kind
        notes.error(
            'not-coco',
            f'this is no COCO file: it holds {seen}',
            f'it must be a dict with the lists {", ".join(FIELDS)}',
        )
        return None
    if pictures is not None:
        measure = functools.partial(complete_image, folder=pictures)
        _compute(data, 'images', SIDES, measure, notes)
    _compute(data, 'annotations', COMPUTED_FIELDS, complete, notes)
    content = CocoContent(
        **{x: _complete(data[x], x, notes) for x in FIELDS},
        others={k: v for k, v in data.items() if k not in FIELDS},
    )
    images, annotations = content.images, content.annotations
    notes.error(
        'image-size-stated',
        f'{{count}} of {len(images):,} images have no size above 0',
        'write width and height in pixels, or leave both out: they are '
        'measured',
        [
            f'{x["file_name"]}: {x["width"]} x {x["height"]}'
            for x in images
            if not (x['width'] > 0 and x['height'] > 0)  # NaN is neither
        ],
    )
    _check_ids(content, notes)
    _check_references(content, data['images'], notes)
    if expected is not None:
        check_classes(content, expected, notes)
    if labelled and not annotations:
        notes.error(
            'no-annotations',
            f'{len(images):,} images without a single annotation',
            'nothing can be learned or scored from it: is this the right '
            'file?',
            severity='warning' if bare_will_do else 'error',
        )
    elif labelled and not content.objects:
        notes.error(
            'no-objects',
            f'none of {len(annotations):,} annotations of {len(images):,} '
            'images is an object that mmdet learns or scores',
            'each must be of one object, no crowd, with a box [x, y, width, '
            f'height] in pixels, {MIN_SIDE:g} at least',
        )
    if labelled and annotations and learned:
        check_use(content, expected, notes)
    check_boxes(content, notes)
    if with_masks is None:
        with_masks = not content.without_mask
        tell_unused_masks(content, notes)
    if with_masks:
        check_masks(content, notes)
    check_crowds(content, notes)
    return content


def _compute(
    data: Mapping[str, list[Any]],
    kind: str,
    fields: Sequence[str],
    complete: Callable[[dict[str, Any]], None],
    notes: Notes,
) -> None:
    """Add what can be computed, as the training does."""
    lacking: Counter[str] = Counter()
    records = [x for x in data[kind] if isinstance(x, dict)]
    for record in records:
        gaps = [x for x in fields if record.get(x) is None]
        if gaps:
            # a mask that cannot be read has its fault
            with contextlib.suppress(Exception):
                complete(record)
                lacking.update(x for x in gaps if record.get(x) is not None)
    notes.warning(
        'field-computed',
        f'{sum(lacking.values()):,} fields are missing from '
        f'{len(data[kind]):,} {kind} and are computed: {HOW[kind]}',
        'other tools may need them in the file',
        [f'{name} ({count:,} times)' for name, count in lacking.items()],
    )


def _complete(
    records: list[Any], kind: str, notes: Notes
) -> list[dict[str, Any]]:
    """The records that have every field; the others are noted."""
    fields = FIELDS[kind]
    if _all_have(records, fields):
        return records
    whole, lacking = [], []
    for index, record in enumerate(records):
        gaps = ['is no dict']
        if isinstance(record, dict):
            gaps = [
                f'has {x}={record[x]!r}' if x in record else f'lacks {x}'
                for x, types in fields.items()
                if record.get(x) is None or not isinstance(record[x], types)
            ]
        if gaps:
            lacking.append(f'{kind}[{index}] {", ".join(gaps)}')
        else:
            whole.append(record)
    notes.error(
        'field-missing',
        f'{{count}} of {len(records):,} {kind} lack a field that training '
        'or scoring reads, or have one of a wrong type',
        f'each needs {", ".join(fields)}',
        lacking,
    )
    return whole


def _all_have(
    records: list[Any], fields: Mapping[str, tuple[type, ...]]
) -> bool:
    """Whether all are complete: much faster than to ask one by one."""
    try:
        return all(
            kind is not type(None) and issubclass(kind, types)
            for field, types in fields.items()
            for kind in {type(record[field]) for record in records}
        )
    except (KeyError, TypeError):
        return False


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, n in Counter(values).items() if n > 1]


def _check_ids(content: CocoContent, notes: Notes) -> None:
    for kind in FIELDS:
        records = getattr(content, kind)
        notes.error(
            'id-duplicate',
            f'{{count}} ids of {kind} occur more than once',
            'give each its own id: of records with one id only the last is '
            'used, or loading fails',
            [f'{kind} id {x}' for x in _repeated(x['id'] for x in records)],
        )
    notes.error(
        'file-name-duplicate',
        '{count} file names belong to more than one image',
        'give each picture one record and all its annotations its id',
        _repeated(x['file_name'] for x in content.images),
    )
    notes.error(
        'category-name-duplicate',
        '{count} names belong to more than one category',
        'give each class one category, and its id to all its annotations',
        _repeated(x['name'] for x in content.categories),
    )
    notes.error(
        'category-name-empty',
        '{count} categories have an empty name',
        'name each class, as it is to stand in results',
        [
            f'categories id {x["id"]}: {x["name"]!r}'
            for x in content.categories
            if not x['name'].strip()
        ],
    )
    zeros = [x for x in content.annotations if x['id'] == 0]
    notes.warning(
        'annotation-id-zero',
        'an annotation has the id 0, which pycocotools takes for unmatched: '
        'it counts as missed in every score',
        'number annotations from 1',
        [f'annotations id {x["id"]}' for x in zeros],
    )


def _check_references(
    content: CocoContent, images: list[Any], notes: Notes
) -> None:
    """Images count here that lack other fields than their id."""
    categories = {x['id'] for x in content.categories}
    known = [x.get('id') for x in images if isinstance(x, dict)]
    there = {
        'image_id': {x for x in known if isinstance(x, ID)},
        'category_id': categories,
    }
    total = f'{{count}} of {len(content.annotations):,} annotations'
    for code, key, problem, remedy in (
        (
            'annotation-without-image',
            'image_id',
            'belong to an image_id that no image has',
            'add the images or remove these annotations',
        ),
        (
            'category-unknown',
            'category_id',
            'have a category_id that no category has (there are '
            f'{some(sorted(categories, key=str))})',
            'add the categories or correct category_id; mmdet would leave '
            'these annotations out without a word',
        ),
    ):
        lost = [x for x in content.annotations if x[key] not in there[key]]
        notes.error(
            code,
            f'{total} {problem}',
            remedy,
            [f'annotation {x["id"]}: {key} {x[key]}' for x in lost],
        )
