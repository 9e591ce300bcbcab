"""Look at a COCO file: classes, boxes, masks, pictures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convmae_mm.data_check import DetectionSet
from convmae_mm.data_check.coco_instances import CocoContent
from convmae_mm.data_check.exports import refuse_export
from convmae_mm.errors import DataError
from convmae_mm.files import existing_folder

from .pictures import notes_of, tell_faults
from .split import held_out


@dataclass(frozen=True)
class CocoSet:
    """A COCO file and the folder of its pictures.

    Attributes:
        file: The annotation file.
        images: The folder that ``file_name`` is relative to.
        content: What the file holds; what can be computed is added.
    """

    file: Path
    images: Path
    content: CocoContent

    @property
    def text(self) -> str:
        """Of the file."""
        found, lists = self.content, ('images', 'annotations', 'categories')
        records = {name: getattr(found, name) for name in lists}
        return json.dumps({**found.others, **records})

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the file's order, which is how mmdet numbers labels."""
        return tuple(x['name'] for x in self.content.categories)

    @property
    def counts(self) -> tuple[int, ...]:
        """Objects of each class."""
        ids = Counter(x['category_id'] for x in self.content.objects)
        return tuple(ids[x['id']] for x in self.content.categories)

    @property
    def pictures(self) -> list[Path]:
        """Paths of the pictures."""
        return [self.images / x['file_name'] for x in self.content.images]

    @property
    def has_masks(self) -> bool:
        """Whether every annotation has its outline, not just its box."""
        return not self.content.without_mask

    @property
    def has_outlines(self) -> bool:
        """Whether all masks of objects are polygons."""
        masks = [x.get('segmentation') for x in self.content.objects]
        return all(isinstance(x, list) for x in masks)

    @property
    def most_objects(self) -> int:
        """In one picture."""
        per_picture = Counter(x['image_id'] for x in self.content.objects)
        return max(per_picture.values(), default=0)

    def extent(self, long_side: int, grid: int) -> tuple[int, int]:
        """Width and height that hold each picture of this longer side.

        Both are the next multiples of ``grid``.
        """
        sizes = np.array(
            [(x['width'], x['height']) for x in self.content.images], float
        )
        sizes *= long_side / sizes.max(axis=1, keepdims=True)
        # mmcv rounds halves up
        width, height = grid * np.ceil(
            np.floor(sizes.max(axis=0) + 0.5) / grid
        )
        return int(width), int(height)

    def boxes(self, long_side: int) -> np.ndarray:
        """(N, 2), widths and heights in pictures of this longer side."""
        longer = {
            x['id']: max(x['width'], x['height']) for x in self.content.images
        }
        return np.array(
            [
                np.array(x['bbox'][2:]) * long_side / longer[x['image_id']]
                for x in self.content.objects
            ],
            float,
        ).reshape(-1, 2)


def look_at_coco(file: Path, images: Path) -> CocoSet:
    """Read a COCO file and look at its pictures.

    Raises:
        FileNotFoundError: If there is no such folder.
        DataError: For what would stop a training, or spoil it.
    """
    refuse_export(file)
    existing_folder(images)
    found, notes = read_coco(file, images), notes_of(file)
    _reader(file, images).find_pictures(found.content, notes)
    tell_faults(notes)
    return found


def read_coco(file: Path, images: Path) -> CocoSet:
    """Read a COCO file.

    Args:
        file: The annotation file.
        images: The folder that ``file_name`` is relative to.

    Raises:
        DataError: For what would stop a training, or spoil it.
    """
    notes = notes_of(file)
    content = _reader(file, images).read(notes)
    tell_faults(notes)
    assert content is not None
    return CocoSet(file, images, content)


def _reader(file: Path, images: Path) -> DetectionSet:
    return DetectionSet(str(file), file, images, file.parent, with_masks=None)


def split_coco(
    whole: CocoSet, train: Path, val: Path, seed: int = 0
) -> tuple[CocoSet, CocoSet]:
    """Two sets that share no picture, to be written as these files.

    Raises:
        DataError: If one picture only has objects.
    """
    images = whole.content.images
    in_picture: dict[Any, set[Any]] = {x['id']: set() for x in images}
    for entry in whole.content.objects:
        in_picture[entry['image_id']].add(entry['category_id'])
    if sum(map(bool, in_picture.values())) < 2:
        raise DataError(
            f'{whole.file}: of {len(images)} pictures one has objects, so '
            'that none can be held out to be scored; annotate more, or give '
            '--coco-val'
        )
    held = held_out([in_picture[x['id']] for x in images], seed=seed)
    held_ids = {images[index]['id'] for index in held}
    parts = []
    for file, is_val in ((train, False), (val, True)):
        content = replace(
            whole.content,
            images=[x for x in images if (x['id'] in held_ids) == is_val],
            annotations=[
                x
                for x in whole.content.annotations
                if (x['image_id'] in held_ids) == is_val
            ],
        )
        parts.append(CocoSet(file, whole.images, content))
    return parts[0], parts[1]


def match_classes(val: CocoSet, train: CocoSet, copy: Path) -> CocoSet:
    """The validation set with the training set's classes in their order.

    mmdet numbers the labels of each file by that file's own order, so that a
    file in another order, or without some classes, is to be copied.

    Raises:
        DataError: If it has a class that the training set lacks.
    """
    if val.classes == train.classes:
        return val
    ids = {x['name']: x['id'] for x in val.content.categories}
    used = {x['category_id'] for x in val.content.annotations}
    strange = [
        name
        for name, number in ids.items()
        if name not in train.classes and number in used
    ]
    if strange:
        raise DataError(
            f'{val.file} has objects of the class {strange[0]!r}, which '
            f'{train.file} does not know; its classes are '
            f'{", ".join(train.classes)}'
        )
    numbers = {name: i for i, name in enumerate(train.classes, start=1)}
    names = {number: name for name, number in ids.items()}
    content = replace(
        val.content,
        categories=[{'id': i, 'name': name} for name, i in numbers.items()],
        annotations=[
            dict(x, category_id=numbers[names[x['category_id']]])
            for x in val.content.annotations
        ],
    )
    return CocoSet(copy, val.images, content)
