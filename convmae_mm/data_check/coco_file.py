"""What may be wrong inside a COCO annotation file.

Legend: *images*, *annotations* and *categories* are the three lists of such a
file; boxes are [x, y, width, height] in pixels.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convmae_mm.datasets.coco_by_name import COMPUTED_FIELDS, complete

from .coco_instances import check_boxes, check_crowds, check_masks, look_closer
from .report import Report

LISTS = ('images', 'annotations', 'categories')
ID = (int, str)
NUMBER = (int, float)
# Fields and the types that they may have; boxes are judged by themselves.
# mmdet reads the area when it trains, pycocotools iscrowd when it scores.
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    'images': {
        'id': ID,
        'file_name': (str,),
        'width': NUMBER,
        'height': NUMBER,
    },
    'annotations': {
        'id': ID,
        'image_id': ID,
        'category_id': ID,
        'bbox': (object,),
        'area': NUMBER,
        'iscrowd': (int,),
    },
    'categories': {'id': ID, 'name': (str,)},
}


@dataclass(frozen=True)
class ExpectedClasses:
    """The classes that a config will ask for.

    Args:
        names: In the order of the config.
        ids: Their ids in the annotation file, where these are known.
    """

    names: Sequence[str]
    ids: Sequence[int] | None = None


@dataclass
class CocoContent:
    """The complete records of an annotation file."""

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]

    @functools.cached_property
    def sizes(self) -> dict[Any, tuple[float, float]]:
        """(width, height) by image id."""
        return {x['id']: (x['width'], x['height']) for x in self.images}

    @functools.cached_property
    def odd(self) -> Sequence[Mapping[str, Any]]:
        """The annotations whose box may have a fault."""
        return look_closer(self.annotations, self.sizes)


def check_coco(
    data: Any,
    part: str,
    report: Report,
    expected: ExpectedClasses | None = None,
    with_masks: bool = True,
    learned: bool = True,
    labelled: bool = True,
) -> CocoContent | None:
    """Note what is wrong with the content of a COCO file.

    Args:
        data: As JSON gave it.
        part: Its name in the report.
        report: Where faults go.
        expected: The classes of the config; None if any will do.
        with_masks: Whether each annotation needs an instance mask.
        learned: Whether a class without annotations is worth a word.
        labelled: Whether annotations are needed; otherwise they are not
            looked at, and may be missing.

    Returns:
        The records that have every field, or None if it is no COCO file.
    """
    if isinstance(data, dict) and not labelled:
        data = {**data, 'annotations': []}
    if not isinstance(data, dict) or not all(
        isinstance(data.get(name), list) for name in LISTS
    ):
        kind = type(data).__name__
        seen = f'a dict with {sorted(data)[:8]}' if kind == 'dict' else kind
        report.add(
            'not-coco',
            part,
            f'this is no COCO file: it holds {seen}',
            f'it must be a dict with the lists {", ".join(LISTS)}',
        )
        return None
    _compute(data['annotations'], part, report)
    content = CocoContent(
        **{name: _complete(data[name], name, part, report) for name in LISTS}
    )
    report.note(
        part,
        images=len(content.images),
        annotations=len(content.annotations),
        categories=len(content.categories),
        crowds=sum(bool(x['iscrowd']) for x in content.annotations),
    )
    _check_ids(content, part, report)
    images = {
        x.get('id')
        for x in data['images']
        if isinstance(x, dict) and isinstance(x.get('id'), ID)
    }
    _check_references(content, images, part, report)
    if expected is not None:
        _check_classes(content, expected, part, report)
    if labelled:
        _check_use(content, expected, learned, part, report)
    sizes, total = content.sizes, len(content.annotations)
    check_boxes(content.odd, total, sizes, part, report)
    if with_masks:
        check_masks(content.annotations, sizes, part, report)
    check_crowds(content.annotations, part, report)
    return content


def _compute(records: list[Any], part: str, report: Report) -> None:
    """Add what can be computed, as the training does."""
    lacking: Counter[str] = Counter()
    if _all_have(records, FIELDS['annotations']):
        return
    for record in records:
        if isinstance(record, dict):
            gaps = [x for x in COMPUTED_FIELDS if record.get(x) is None]
            if gaps:
                try:
                    complete(record)
                except Exception:  # a mask that cannot be read has its fault
                    continue
                lacking.update(x for x in gaps if record.get(x) is not None)
    report.add(
        'field-computed',
        part,
        f'{sum(lacking.values()):,} fields are missing from '
        f'{len(records):,} annotations and are computed: areas and boxes '
        'from masks or boxes, iscrowd as 0',
        'other tools may need them in the file',
        [f'{name} ({count:,} times)' for name, count in lacking.items()],
        severity='warning',
    )


def _complete(
    records: list[Any], kind: str, part: str, report: Report
) -> list[dict[str, Any]]:
    """The records that have every field; the others are noted."""
    fields = FIELDS[kind]
    if _all_have(records, fields):
        return records
    complete, lacking = [], []
    checks = list(fields.items())
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            lacking.append(f'{kind}[{index}] is no dict')
        elif all(
            isinstance(record.get(name), types)
            and record.get(name) is not None
            for name, types in checks
        ):
            complete.append(record)
        else:
            gaps = [
                f'has {name}={record[name]!r}' if name in record
                else f'lacks {name}'
                for name, types in checks
                if record.get(name) is None
                or not isinstance(record[name], types)
            ]  # fmt: skip
            lacking.append(f'{kind}[{index}] {", ".join(gaps)}')
    report.add(
        'field-missing',
        part,
        f'{{count}} of {len(records):,} {kind} lack a field that training '
        'or scoring reads, or have one of a wrong type',
        f'each needs {", ".join(fields)}',
        lacking,
    )
    return complete


def _all_have(
    records: list[Any], fields: Mapping[str, tuple[type, ...]]
) -> bool:
    """Whether all are complete: much faster than to ask one by one."""
    try:
        columns = list(
            zip(*map(operator.itemgetter(*fields), records), strict=True)
        )
    except (KeyError, TypeError):
        return False
    return all(
        kind is not type(None) and issubclass(kind, types)
        for column, types in zip(columns, fields.values(), strict=False)
        for kind in set(map(type, column))
    )


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, n in Counter(values).items() if n > 1]


def _check_ids(content: CocoContent, part: str, report: Report) -> None:
    for kind in LISTS:
        records = getattr(content, kind)
        report.add(
            'id-duplicate',
            part,
            f'{{count}} ids of {kind} occur more than once',
            'give each its own id: of records with one id only the last is '
            'used, or loading fails',
            [f'{kind} id {x}' for x in _repeated(x['id'] for x in records)],
        )
    report.add(
        'file-name-duplicate',
        part,
        '{count} file names belong to more than one image',
        'give each picture one record and all its annotations its id',
        _repeated(x['file_name'] for x in content.images),
    )
    report.add(
        'category-name-duplicate',
        part,
        '{count} names belong to more than one category',
        'give each class one category, and its id to all its annotations',
        _repeated(x['name'] for x in content.categories),
    )
    report.add(
        'annotation-id-zero',
        part,
        'an annotation has the id 0, which pycocotools takes for unmatched: '
        'it counts as missed in every score',
        'number annotations from 1',
        [f'annotations id {x["id"]}'
         for x in content.annotations if x['id'] == 0],
        severity='warning',
    )  # fmt: skip


def _check_references(
    content: CocoContent, images: set[Any], part: str, report: Report
) -> None:
    categories = {x['id'] for x in content.categories}
    total = len(content.annotations)
    report.add(
        'annotation-without-image',
        part,
        f'{{count}} of {total:,} annotations belong to an image_id that no '
        'image has',
        'add the images or remove these annotations',
        [
            f'annotation {x["id"]}: image_id {x["image_id"]}'
            for x in content.annotations
            if x['image_id'] not in images
        ],
    )
    report.add(
        'category-unknown',
        part,
        f'{{count}} of {total:,} annotations have a category_id that no '
        f'category has (there are {_some(sorted(categories, key=str))})',
        'add the categories or correct category_id; mmdet would leave '
        'these annotations out without a word',
        [
            f'annotation {x["id"]}: category_id {x["category_id"]}'
            for x in content.annotations
            if x['category_id'] not in categories
        ],
    )


def _check_classes(
    content: CocoContent,
    expected: ExpectedClasses,
    part: str,
    report: Report,
) -> None:
    ids = {x['name']: x['id'] for x in content.categories}
    alike = {_plain(name): name for name in ids}
    report.add(
        'category-missing',
        part,
        f'{{count}} of {len(expected.names)} expected classes are no '
        'category of this file',
        'their names must be the same to the letter: correct the names in '
        'the file, or the classes of the config (metainfo=dict('
        f'classes=...)); the file has {_some(map(repr, ids))}',
        [
            f'{name!r} (the file has {alike[_plain(name)]!r})'
            if _plain(name) in alike
            else name
            for name in expected.names
            if name not in ids
        ],
    )
    used = Counter(x['category_id'] for x in content.annotations)
    others = [name for name in ids if name not in set(expected.names)]
    report.add(
        'category-unexpected',
        part,
        f'{{count}} of {len(ids)} categories are no expected class: their '
        f'{sum(used[ids[name]] for name in others):,} annotations are left '
        'out',
        'if they are wanted, add them to the classes of the config and to '
        'num_classes',
        others,
        severity='warning',
    )
    if expected.ids is None:
        return
    report.add(
        'category-id',
        part,
        '{count} categories do not have the id that they have in this data '
        'set',
        'this is not the published file, and scores would be compared class '
        'by class with the wrong ones: get the original',
        [
            f'{name} has id {ids[name]} instead of {wanted}'
            for name, wanted in zip(expected.names, expected.ids, strict=True)
            if ids.get(name, wanted) != wanted
        ],
    )


def _plain(name: str) -> str:
    return ''.join(x for x in name.casefold() if x.isalnum())


def _check_use(
    content: CocoContent,
    expected: ExpectedClasses | None,
    learned: bool,
    part: str,
    report: Report,
) -> None:
    if not content.annotations:
        report.add(
            'no-annotations',
            part,
            f'{len(content.images):,} images without a single annotation',
            'nothing can be learned or scored from it: is this the right '
            'file?',
        )
        return
    if not learned:
        return
    used = {x['category_id'] for x in content.annotations}
    wanted = None if expected is None else set(expected.names)
    report.add(
        'category-unused',
        part,
        f'{{count}} of {len(content.categories)} categories have no '
        'annotation',
        'expected in a small split; otherwise compare with the source',
        [
            x['name']
            for x in content.categories
            if x['id'] not in used and (wanted is None or x['name'] in wanted)
        ],
        severity='warning',
    )


def kept(
    content: CocoContent,
    classes: Sequence[str],
    filter_cfg: Mapping[str, Any] | None,
    part: str,
    report: Report,
) -> tuple[int, int]:
    """Count the pictures and objects that mmdet's ``CocoDataset`` keeps.

    Args:
        content: Of the annotation file.
        classes: Of the config.
        filter_cfg: Of the data set; None where nothing is filtered.
        part: Its name in the report.
        report: Where counts, reasons and faults go.

    Returns:
        How many pictures and how many objects.
    """
    wanted = {x['id'] for x in content.categories if x['name'] in set(classes)}
    ours = [
        x['image_id']
        for x in content.annotations
        if x['category_id'] in wanted
    ]
    with_objects = set(ours)
    objects = Counter(
        _why_dropped(x, content.sizes)
        for x in content.odd
        if x['category_id'] in wanted
    )
    objects[''] += len(ours) - objects.total()
    if len(ours) < len(content.annotations):
        objects['of no class'] = len(content.annotations) - len(ours)
    rules = filter_cfg or {}
    pictures = Counter[str]()
    for image in content.images:
        small = min(image['width'], image['height']) < rules.get('min_size', 0)
        if rules.get('filter_empty_gt') and image['id'] not in with_objects:
            pictures['without objects'] += 1
        else:
            pictures[f'below {rules.get("min_size")} px' if small else ''] += 1
    counts = {}
    for what, kinds in (('pictures', pictures), ('objects', objects)):
        counts[what + ' found'] = sum(kinds.values())
        counts[what + ' kept'] = kinds.pop('', 0)
        for reason, count in kinds.items():
            counts[f'{what} left out ({reason})'] = count
    report.note(part, **counts)
    left_out = pictures['without objects']
    if 10 * left_out > len(content.images):
        report.add(
            'picture-without-objects',
            part,
            f'{left_out:,} of {len(content.images):,} pictures have no '
            'object of the classes and are left out',
            'to train on them as negatives set '
            'train_dataloader.dataset.filter_cfg.filter_empty_gt=False',
            severity='warning',
        )
    return counts['pictures kept'], counts['objects kept']


def _why_dropped(
    annotation: Mapping[str, Any], sizes: Mapping[Any, tuple[float, float]]
) -> str:
    """Why mmdet leaves an annotation out; empty if it does not."""
    box, size = annotation['bbox'], sizes.get(annotation['image_id'])
    try:
        x, y, width, height = box
        if size is None or annotation.get('ignore'):
            return 'of no picture' if size is None else 'marked ignore'
        if width < 1 or height < 1 or annotation['area'] <= 0:
            return 'below 1 px'
        if x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0:
            return 'outside'
    except (TypeError, ValueError):
        return 'no box'
    return ''


def _some(values: Iterable[Any], most: int = 12) -> str:
    values = [str(x) for x in values]
    more = f' and {len(values) - most} more' if len(values) > most else ''
    return ', '.join(values[:most]) + more
