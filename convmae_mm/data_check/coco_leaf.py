"""Data sets that mmdet's own ``CocoDataset`` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .coco_classes import ExpectedClasses, kept
from .detection_set import DetectionSet
from .leaf import Leaf, loader_of, root_of


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
    classes = tuple(dataset.metainfo.get('classes') or ())
    found = DetectionSet(
        part=notes.part,
        ann_file=ann_file,
        images=dataset.data_prefix.get('img', ''),
        root=root_of(leaf.cfg),
        classes=ExpectedClasses(classes),
        with_masks=with_masks,
        learned=split.name == 'train',
        labelled=leaf.labelled,
        bare_will_do=split.name == 'test',
        load=loader_of(leaf.cfg),
    )
    content = found.read(notes)
    if content is None:
        return
    filters = None if dataset.test_mode else dataset.filter_cfg
    counts = kept(content, classes, filters, notes)
    _check_kept(leaf, counts, classes)
    split.image_ids |= {x['id'] for x in content.images}
    if 'img' not in dataset.data_prefix:
        notes.error(
            'picture-prefix',
            f'data_prefix={dict(dataset.data_prefix)} has no img',
            "set data_prefix=dict(img='FOLDER/'), relative to data_root",
        )
    paths = found.find_pictures(content, notes)
    split.paths += paths[: counts['pictures kept'] or None]


def _check_kept(
    leaf: Leaf, counts: Mapping[str, int], classes: tuple[str, ...]
) -> None:
    """Note that nothing is left, unless another fault explains it."""
    notes = leaf.notes
    named = {
        *('category-missing', 'field-missing'),
        *('no-annotations', 'no-objects'),
    }
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
