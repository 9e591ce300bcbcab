"""Which classes a COCO file has, and what mmdet keeps of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .coco_instances import CocoContent
from .report import Notes


@dataclass(frozen=True)
class ExpectedClasses:
    """The classes that a config will ask for.

    Args:
        names: In the order of the config.
        ids: Their ids in the annotation file, where these are known.
    """

    names: Sequence[str]
    ids: Sequence[int] | None = None


def check_classes(
    content: CocoContent, expected: ExpectedClasses, notes: Notes
) -> None:
    """Compare the categories with the classes of a config."""
    ids = {x['name']: x['id'] for x in content.categories}
    alike = {_plain(name): name for name in ids}
    notes.error(
        'category-missing',
        f'{{count}} of {len(expected.names)} expected classes are no '
        'category of this file',
        'their names must be the same to the letter: correct the names in '
        'the file, or the classes of the config (metainfo=dict('
        f'classes=...)); the file has {some(map(repr, ids))}',
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
    notes.warning(
        'category-unexpected',
        f'{{count}} of {len(ids)} categories are no expected class: their '
        f'{sum(used[ids[x]] for x in others):,} annotations are left out',
        'if they are wanted, add them to the classes of the config and to '
        'num_classes',
        others,
    )
    notes.error(
        'category-id',
        '{count} categories do not have the id that they have in this data '
        'set',
        'this is not the published file, and scores would be compared class '
        'by class with the wrong ones: get the original',
        [
            f'{name} has id {ids[name]} instead of {wanted}'
            for name, wanted in zip(
                expected.names, expected.ids or (), strict=False
            )
            if ids.get(name, wanted) != wanted
        ],
    )


def _plain(name: str) -> str:
    return ''.join(x for x in name.casefold() if x.isalnum())


def check_use(
    content: CocoContent, expected: ExpectedClasses | None, notes: Notes
) -> None:
    """Note categories without annotations."""
    used = {x['category_id'] for x in content.annotations}
    wanted = None if expected is None else set(expected.names)
    notes.warning(
        'category-unused',
        f'{{count}} of {len(content.categories)} categories have no '
        'annotation',
        'expected in a small split; otherwise compare with the source',
        [
            x['name']
            for x in content.categories
            if x['id'] not in used and (wanted is None or x['name'] in wanted)
        ],
    )


def kept(
    content: CocoContent,
    classes: Sequence[str],
    filter_cfg: Mapping[str, Any] | None,
    notes: Notes,
) -> dict[str, int]:
    """Count the pictures and objects that mmdet's ``CocoDataset`` keeps.

    Args:
        content: Of the annotation file.
        classes: Of the config.
        filter_cfg: Of the data set; None where nothing is filtered.
        notes: Where counts, reasons and faults go.

    Returns:
        What is found, kept and left out, as it is in the report.
    """
    wanted = {x['id'] for x in content.categories if x['name'] in set(classes)}
    ours = [x['category_id'] in wanted for x in content.annotations]
    with_objects = {
        x['image_id'] for x in itertools.compress(content.annotations, ours)
    }
    objects = _count_kept(content, np.array(ours, bool))
    rules = filter_cfg or {}
    least = rules.get('min_size', 0)
    pictures = Counter[str]()
    for image in content.images:
        small = min(image['width'], image['height']) < least
        if rules.get('filter_empty_gt') and image['id'] not in with_objects:
            pictures['without objects'] += 1
        else:
            pictures[f'below {least} px' if small else ''] += 1
    counts = {}
    for what, kinds in (('pictures', pictures), ('objects', objects)):
        counts[what + ' found'] = sum(kinds.values())
        counts[what + ' kept'] = kinds.pop('', 0)
        for reason, count in kinds.items():
            counts[f'{what} left out ({reason})'] = count
    notes.count(**counts)
    left_out = pictures['without objects']
    if 10 * left_out > len(content.images):
        notes.warning(
            'picture-without-objects',
            f'{left_out:,} of {len(content.images):,} pictures have no '
            'object of the classes and are left out',
            'to train on them as negatives set '
            'train_dataloader.dataset.filter_cfg.filter_empty_gt=False',
        )
    return counts


def _count_kept(content: CocoContent, ours: np.ndarray) -> dict[str, int]:
    """How many objects mmdet leaves out for which reason; none is ''."""
    low, high = content.boxes[:, :2], content.boxes[:, 2:]
    high = low + high
    ignored = [bool(x.get('ignore')) for x in content.annotations]
    reasons = {
        'no box': np.isnan(low[:, 0]),
        'of no picture': np.isnan(content.limits[:, 0]),
        'marked ignore': np.array(ignored, bool),
        'below 1 px': content.empty,
        'outside': ((low >= content.limits) | (high <= 0)).any(1),
    }
    names = ('', *reasons, 'of no class')
    kinds = np.select(list(reasons.values()), range(1, len(reasons) + 1))
    kinds[~ours] = len(reasons) + 1
    counts = np.bincount(kinds, minlength=len(names)).tolist()
    return {x: n for x, n in zip(names, counts, strict=True) if n}


def some(values: Iterable[Any], most: int = 12) -> str:
    """The first of them in one line, and how many more there are."""
    values = [str(x) for x in values]
    more = f' and {len(values) - most} more' if len(values) > most else ''
    return ', '.join(values[:most]) + more
