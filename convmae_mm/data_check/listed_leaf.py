"""Data sets that list themselves: mmseg's, mmpretrain's and one's own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .label_maps import (
    LabelRules,
    check_labels,
    note_missing_maps,
    read_label_maps,
)
from .leaf import Leaf, loader_of, refuse, root_of, transforms
from .pictures import (
    Sizes,
    check_suffix,
    check_turned,
    existing,
    is_remote,
    measure,
    not_there,
)
from .places import in_full, list_files, subfolders

Items = Sequence[Mapping[str, Any]]


def read_listed(leaf: Leaf) -> bool:
    """Any data set, through what it lists itself.

    Returns:
        Whether its length is known.
    """
    split, dataset = leaf.split, leaf.dataset
    if not _check_folders(leaf):
        return True
    dataset.serialize_data = False
    try:
        dataset.full_init()
    except Exception as error:
        refuse(leaf.cfg, error, leaf.notes)
        return False
    if hasattr(dataset, 'folder_to_idx') and not split.classes:
        split.classes = tuple(dataset.metainfo.get('classes') or ())
    items = getattr(dataset, 'data_list', None)
    if not isinstance(items, list):
        return False
    objects = [y for x in items for y in x.get('instances', ())]
    leaf.notes.count(**{'pictures kept': len(items)})
    if objects:
        leaf.notes.count(**{'objects kept': len(objects)})
    prefix = dataset.data_prefix.get('img_path') or ''
    if not items:
        _nothing_listed(leaf, prefix)
        return True
    named = [x['img_path'] for x in items if 'img_path' in x]
    paths = existing(named, prefix, root_of(leaf.cfg), leaf.notes)
    split.paths += paths or [''] * len(items)
    _check_labels(leaf, items, objects)
    load = loader_of(leaf.cfg)
    sizes = measure(Path(), paths, leaf.notes, load)
    if hasattr(dataset, 'seg_map_suffix'):
        _check_suffixes(leaf, prefix, len(items))
        if leaf.labelled and 'seg_map_path' in items[0]:
            check_turned(Path(), paths, leaf.notes, load)
            _check_maps(leaf, items, sizes)
    return True


def _files(folder: str) -> list[str]:
    return list_files(Path(folder)) if os.path.isdir(folder) else []


def _nothing_listed(leaf: Leaf, prefix: str) -> None:
    suffix = getattr(leaf.dataset, 'img_suffix', None)
    found = Counter(os.path.splitext(x)[1] for x in _files(prefix))
    seen = ', '.join(f'{n:,} that end in {x}' for x, n in found.items())
    wanted = f' that ends in {suffix}' if suffix else ''
    leaf.notes.error(
        'nothing-kept',
        f'no picture{wanted} is in {in_full(prefix)}; '
        f'it holds {seen or "no picture"}',
        f"set img_suffix='{next(iter(found))}'"
        if found
        else 'correct data_root and data_prefix, or put pictures there',
    )


def _check_labels(leaf: Leaf, items: Items, objects: Items) -> None:
    number, classes = leaf.number, leaf.split.classes
    if objects:
        labels = [x.get('bbox_label') for x in objects]
    elif 'gt_label' in items[0]:
        given = [x['gt_label'] for x in items]
        labels = [y for x in given for y in np.ravel(x).tolist()]
    else:
        return
    if not number:
        return
    used = Counter(int(x) for x in labels if x is not None)
    outside = {x: n for x, n in used.items() if not 0 <= x < number}
    leaf.notes.error(
        'label-range',
        f'{sum(outside.values()):,} of {len(labels):,} labels are outside 0 '
        f'to {number - 1}',
        'correct the labels, or the classes and num_classes',
        sorted(outside),
    )
    if leaf.split.name == 'train':
        leaf.notes.warning(
            'class-unused',
            f'{{count}} of {number} classes never occur',
            'nothing will be learned about them: expected in a small '
            'split; otherwise compare the spelling with the annotations',
            [
                repr(x)
                for i, x in enumerate(classes or range(number))
                if i not in used
            ],
        )


def _check_folders(leaf: Leaf) -> bool:
    """Whether class folders can be numbered as the config names them."""
    dataset, classes = leaf.dataset, leaf.split.classes or ()
    if (
        not hasattr(dataset, 'extensions')
        or getattr(dataset, 'ann_file', None)
        or not getattr(dataset, 'with_label', False)
        or not os.path.isdir(dataset.img_prefix)
    ):
        return True
    folders = subfolders(Path(dataset.img_prefix))
    leaf.split.folders = folders
    if classes and len(classes) != len(folders):
        odd = sorted(set(classes) ^ set(folders))
        leaf.notes.error(
            'class-count',
            f'{len(folders)} class folders in {dataset.img_prefix} for '
            f'{len(classes)} classes of the config; in one of them only: '
            f'{odd[:8]}',
            'every class needs its folder, which may be empty, and nothing '
            'else may be one',
        )
        return False
    moved = [
        f'{name!r} is class {i}, its folder number {folders.index(name)}'
        for i, name in enumerate(classes)
        if name in folders and folders[i] != name
    ]
    leaf.notes.error(
        'class-order',
        '{count} classes of metainfo.classes stand at another place than '
        'their folders, which are numbered by the alphabet: names would be '
        'swapped',
        f'set classes={tuple(folders)}',
        moved,
    )
    return not moved


def _check_suffixes(leaf: Leaf, prefix: str, read: int) -> None:
    dataset, notes = leaf.dataset, leaf.notes
    ann_file = getattr(dataset, 'ann_file', None)
    if ann_file and os.path.isfile(ann_file):
        return
    files = _files(prefix)
    others = [x for x in files if not x.endswith(dataset.img_suffix)]
    if others:
        found = {'pictures found': len(files), 'pictures kept': read}
        found['pictures left out (another suffix)'] = len(others)
        notes.count(**found)
    check_suffix(files, dataset.img_suffix, prefix, notes, 'warning')


def _check_maps(leaf: Leaf, items: Items, sizes: Sizes) -> None:
    dataset, notes = leaf.dataset, leaf.notes
    picture = {x['seg_map_path']: x['img_path'] for x in items}
    missing = set(not_there(list(picture)))
    folder = dataset.data_prefix.get('seg_map_path') or '.'
    note_missing_maps(
        sorted(os.path.relpath(x, folder) for x in missing),
        len(picture),
        folder,
        dataset.seg_map_suffix,
        notes,
    )
    for load in transforms(leaf.cfg.get('pipeline')):
        stated = load.get('reduce_zero_label')
        if stated not in (None, dataset.reduce_zero_label):
            notes.error(
                'reduce-zero-label',
                f'the pipeline says reduce_zero_label={stated}, the data set '
                f'{dataset.reduce_zero_label}',
                'set it in the data set, and leave it out of LoadAnnotations',
            )
    names = [x for x in picture if x not in missing and not is_remote(x)]
    shown = {x: sizes[p] for x, p in picture.items() if p in sizes}
    maps = read_label_maps(names, Path(), shown, notes)
    rules = LabelRules(
        num_classes=leaf.number,
        zero_is_unlabelled=dataset.reduce_zero_label,
        ignored=leaf.ignored,
        label_map=dataset.label_map,
        names=leaf.split.classes or (),
        scores_only=leaf.split.name != 'train',
    )
    check_labels(maps, len(maps) == len(names), rules, notes)
