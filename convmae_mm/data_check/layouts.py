"""How the data sets that have configs here lie on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from convmae_mm.errors import DataError

from . import public_sets as known
from .class_folders import ClassFolders
from .coco_classes import ExpectedClasses
from .detection import DetectionSet
from .examiner import Examiner
from .exports import refuse_export
from .pictures import PictureFolder
from .places import PICTURES
from .report import Notes, Report
from .segmentation import SegmentationSet

DIGITS = (
    *('zero', 'one', 'two', 'three', 'four'),
    *('five', 'six', 'seven', 'eight', 'nine'),
)
DIGIT_SCENES_FILE = 'digit_scenes.json'


class Part(Protocol):
    """A part of a data set that can be checked by itself."""

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""


def coco_parts(root: Path, report: Report) -> list[Part]:
    """COCO 2017: annotations/instances_SPLIT.json and SPLIT/*.jpg."""
    return [
        DetectionSet(
            part=split,
            ann_file=root / 'annotations' / f'instances_{split}.json',
            images=root / split,
            root=root,
            classes=ExpectedClasses(known.COCO_CLASSES, known.COCO_IDS),
            num_images=num_images,
            num_annotations=num_annotations,
        )
        for split, (num_images, num_annotations) in known.COCO_COUNTS.items()
    ]


def ade20k_parts(root: Path, report: Report) -> list[Part]:
    """ADEChallengeData2016: images/SPLIT/*.jpg and annotations/SPLIT/*.png."""
    return [
        SegmentationSet(
            part=split,
            images=root / 'images' / split,
            label_maps=root / 'annotations' / split,
            root=root,
            num_classes=known.ADE20K_NUM_CLASSES,
            zero_is_unlabelled=True,
            num_images=num_images,
        )
        for split, num_images in known.ADE20K_COUNTS.items()
    ]


def imagenet_parts(root: Path, report: Report) -> list[Part]:
    """ImageNet-1K: SPLIT/n01440764/*.JPEG, 1000 folders in each split."""
    return [
        ClassFolders(
            part=split,
            folder=root / split,
            root=root,
            num_classes=known.IMAGENET_NUM_CLASSES,
            num_images=num_images,
            images_per_class=per_class,
            like=root / 'train' if split != 'train' else None,
        )
        for split, (num_images, per_class) in known.IMAGENET_COUNTS.items()
    ]


def digit_scenes_parts(root: Path, report: Report) -> list[Part]:
    """DigitScenes: scenes with instances, label maps and single digits."""
    counts = _digit_scenes_counts(root, report)
    parts: list[Part] = []
    single = root / 'classification'
    for split in ('train', 'val'):
        written = counts.get(split, {})
        scenes, images = written.get('scenes'), root / 'images' / split
        parts += [
            DetectionSet(
                part=f'{split} instances',
                ann_file=root / 'annotations' / f'instances_{split}.json',
                images=images,
                root=root,
                classes=ExpectedClasses(DIGITS, range(1, 11)),
                num_images=scenes,
                num_annotations=written.get('instances'),
            ),
            SegmentationSet(
                part=f'{split} label maps',
                images=images,
                label_maps=root / 'label_maps' / split,
                root=root,
                num_classes=1 + len(DIGITS),
                zero_is_unlabelled=True,
                num_images=scenes,
            ),
            ClassFolders(
                part=f'{split} classification',
                folder=single / split,
                root=root,
                num_classes=len(DIGITS),
                num_images=written.get('crops'),
                like=single / 'train' if split != 'train' else None,
            ),
        ]
    return parts


def _digit_scenes_counts(root: Path, report: Report) -> dict[str, Any]:
    """What the generator says it has written; notes if it has not ended."""
    file = root / DIGIT_SCENES_FILE
    try:
        return dict(json.loads(file.read_text(encoding='utf-8'))['counts'])
    except FileNotFoundError:
        problem = f'{file} does not exist: the generator has not finished'
    except (ValueError, KeyError, TypeError) as error:
        problem = f'{file} is damaged: {type(error).__name__}: {error}'
    Notes(report, DIGIT_SCENES_FILE).error(
        'digit-scenes-unfinished',
        problem,
        f'convmae-mm digit-scenes --out {root} continues or renews it',
    )
    return {}


def picture_parts(root: Path, report: Report) -> list[Part]:
    """Any pictures in a folder and below, without labels."""
    return [PictureFolder('pictures', root, root)]


def class_folder_parts(root: Path, report: Report) -> list[Part]:
    """Class folders, in train and val if there are such, or right here."""
    splits = [x for x in ('train', 'val') if (root / x).is_dir()]
    if not splits:
        return [ClassFolders('classes', root, root)]
    return [
        ClassFolders(
            part=split,
            folder=root / split,
            root=root,
            like=root / splits[0] if split != splits[0] else None,
        )
        for split in splits
    ]


# Layouts by name: what makes their parts.
LAYOUTS: dict[str, Callable[[Path, Report], list[Part]]] = {
    'coco': coco_parts,
    'ade20k': ade20k_parts,
    'imagenet': imagenet_parts,
    'digit-scenes': digit_scenes_parts,
    'class-folders': class_folder_parts,
    'pictures': picture_parts,
}

_SYNSET = re.compile(r'n\d{8}(\.tar)?$')
# Words in names of folders that are no classes.
_ROLES = set(
    'images image img imgs pictures picture photos jpegimages frames '
    'annotations annotation labels label masks mask maps map gt '
    'segmentation segmentations train training val valid validation test '
    'testing'.split()
)
# What a public set has and no other does; one of them will do.
_SIGNS: dict[str, tuple[str, ...]] = {
    'digit-scenes': (DIGIT_SCENES_FILE, 'label_maps', '.incomplete'),
    'coco': (
        'train2017',
        'val2017',
        'annotations/instances_train2017.json',
        'annotations/instances_val2017.json',
    ),
    'ade20k': (
        'images/training',
        'images/validation',
        'annotations/training',
        'annotations/validation',
        'objectInfo150.txt',
    ),
}


def recognise(root: Path) -> str:
    """The name of the layout that a folder has.

    Looks into the folder, then into the one folder inside it that looks like
    a public set, because archives often unpack into a folder of their own.

    Raises:
        FileNotFoundError: If there is no such folder.
        DataError: If it looks like none of them; says how to tell.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'data set {root} does not exist')
    name = _recognise(root)
    if name is not None:
        return name
    refuse_export(root)
    splits = [root / x for x in ('train', 'val') if (root / x).is_dir()]
    if all(map(_are_classes, splits or [root])):
        return 'class-folders'
    names = sorted(x.name for x in root.iterdir())
    seen = ', '.join(names[:8]) or 'nothing'
    inside = [x for x in root.iterdir() if x.is_dir() and _recognise(x)]
    advice = f'did you mean {inside[0]}? ' if len(inside) == 1 else ''
    raise DataError(
        f'{root} looks like none of {", ".join([*_SIGNS, "imagenet"])}; it '
        f'holds {seen}: {advice}Name the layout with --layout (class-folders '
        'for one folder of pictures for each class), or the parts of your own '
        'set with --ann-file and --images, or --images and --label-maps'
    )


def _recognise(root: Path) -> str | None:
    for name, signs in _SIGNS.items():
        if any((root / sign).exists() for sign in signs):
            return name
    for split in ('train', 'val'):
        folder = root / split
        if folder.is_dir() and any(
            _SYNSET.match(x.name) or x.name.startswith('ILSVRC2012_')
            for x in folder.iterdir()
        ):
            return 'imagenet'
    return None


def _are_classes(folder: Path) -> bool:
    """Whether it holds folders of pictures, two at least, and nothing else.

    Not those that are called like parts of another kind of data set.
    """
    inside = [x for x in folder.iterdir() if not x.name.startswith('.')]
    return len(inside) > 1 and all(
        x.is_dir()
        and _ROLES.isdisjoint(re.split(r'[^a-z]+', x.name.lower()))
        and any(y.suffix.lower() in PICTURES for y in x.iterdir())
        for x in inside
    )
