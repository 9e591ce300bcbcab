"""Data sets that mmdet's own ``CocoDataset`` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .coco_classes import ExpectedClasses, kept
from .coco_file import check_coco, read_annotations
from .leaf import Leaf, root_of
from .pictures import check_sizes


def is_plain_coco(dataset: Any) -> bool:
    """Whether mmdet's own ``CocoDataset`` decides what is read."""
    methods = ('load_data_list', 'parse_data_info', 'filter_data')
    return all(
        getattr(type(dataset), name).__module__ == 'mmdet.datasets.coco'
        for name in methods
    )


def read_coco(leaf: Leaf, with_masks: bool) -> None:
    """Read the annotation file, and compare it with config and pictures."""
    split, dataset, notes = leaf.split, leaf.dataset, leaf.notes
    ann_file = Path(dataset.ann_file)
    split.ann_files.append(str(ann_file))
    data = read_annotations(ann_file, root_of(leaf.cfg), notes)
    if data is None:
        return
    classes = tuple(dataset.metainfo.get('classes') or ())
    # pictures alone, such as COCO's test-dev: fine for predictions
    bare = (
        split.name == 'test'
        and isinstance(data, dict)
        and 'images' in data
        and not data.get('annotations')
    )
    content = check_coco(
        data,
        notes,
        ExpectedClasses(classes),
        with_masks,
        learned=split.name == 'train',
        labelled=leaf.labelled and not bare,
        pictures=dataset.data_prefix.get('img', ''),
    )
    if content is None:
        return
    if bare and leaf.labelled:
        notes.warning(
            'no-annotations',
            f'{len(content.images):,} images without a single annotation',
            'nothing can be scored: is this the right file?',
        )
    notes.report.facts.pop(notes.part)
    filters = None if dataset.test_mode else dataset.filter_cfg
    counts = kept(content, classes, filters, notes)
    if not bare:
        _check_kept(leaf, counts, classes)
    split.image_ids |= {x['id'] for x in content.images}
    if 'img' not in dataset.data_prefix:
        notes.error(
            'picture-prefix',
            f'data_prefix={dict(dataset.data_prefix)} has no img',
            "set data_prefix=dict(img='FOLDER/'), relative to data_root",
            [''],
        )
    prefix = dataset.data_prefix.get('img', '')
    stated = {
        os.path.join(prefix, x['file_name']): (x['width'], x['height'])
        for x in content.images
    }
    paths = leaf.existing(list(stated), prefix)
    split.paths += paths[: counts['pictures kept'] or None]
    check_sizes(stated, leaf.measure(paths), notes)


def _check_kept(
    leaf: Leaf, counts: Mapping[str, int], classes: tuple[str, ...]
) -> None:
    """Note that nothing is left, unless another fault explains it."""
    notes = leaf.notes
    named = {'category-missing', 'field-missing', 'no-annotations'}
    known = {x.code for x in notes.report.faults if x.part == notes.part}
    pictures, objects = counts['pictures kept'], counts['objects kept']
    if known & named or (pictures and (objects or not leaf.labelled)):
        return
    reasons = [f'{n:,} {x}' for x, n in counts.items() if 'left out' in x]
    notes.error(
        'nothing-kept',
        f'of {counts["pictures found"]:,} pictures and '
        f'{counts["objects found"]:,} objects no '
        f'{"object" if pictures else "picture"} is left: '
        f'{", ".join(reasons) or "there are none"}',
        f'compare metainfo.classes={classes} with the categories of the '
        'file, and filter_cfg with the pictures',
    )
