"""The public data sets that have configs here: what they are known to hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from convmae_mm.datasets.digit_scenes import CLASSES as DIGITS
from convmae_mm.datasets.digit_scenes import MANIFEST

from .class_folders import ClassFolders
from .coco_classes import ExpectedClasses
from .detection_set import DetectionSet
from .report import Notes, Part, Report
from .segmentation_set import SegmentationSet

# COCO 2017: pictures and annotations of a split, as its authors count them.
COCO_COUNTS = {'train2017': (118287, 860001), 'val2017': (5000, 36781)}

# COCO numbers 80 classes from 1 to 90; these numbers are not in use.
_COCO_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_IDS = tuple(x for x in range(1, 91) if x not in _COCO_GAPS)

# ADE20K as SceneParsing, ADEChallengeData2016: 150 classes, 0 is none.
ADE20K_COUNTS = {'training': 20210, 'validation': 2000}
ADE20K_NUM_CLASSES = 150

# ImageNet-1K of the ILSVRC 2012: pictures, and the least and most of a class.
IMAGENET_COUNTS = {'train': (1281167, (732, 1300)), 'val': (50000, (50, 50))}
IMAGENET_NUM_CLASSES = 1000


def coco_parts(root: Path, report: Report) -> list[Part]:
    """COCO 2017: annotations/instances_SPLIT.json and SPLIT/*.jpg."""
    from mmdet.datasets import CocoDataset

    classes = ExpectedClasses(CocoDataset.METAINFO['classes'], COCO_IDS)
    files = root / 'annotations'
    return [
        DetectionSet(
            split,
            files / f'instances_{split}.json',
            root / split,
            root,
            classes,
            num_images=images,
            num_annotations=annotations,
        )
        for split, (images, annotations) in COCO_COUNTS.items()
    ]


def ade20k_parts(root: Path, report: Report) -> list[Part]:
    """ADEChallengeData2016: images/SPLIT/*.jpg and annotations/SPLIT/*.png."""
    images, maps = root / 'images', root / 'annotations'
    return [
        SegmentationSet(
            split,
            images / split,
            maps / split,
            root,
            ADE20K_NUM_CLASSES,
            zero_is_unlabelled=True,
            num_images=count,
        )
        for split, count in ADE20K_COUNTS.items()
    ]


def imagenet_parts(root: Path, report: Report) -> list[Part]:
    """ImageNet-1K: SPLIT/n01440764/*.JPEG, 1000 folders in each split."""
    return [
        ClassFolders(
            split,
            root / split,
            root,
            IMAGENET_NUM_CLASSES,
            num_images=images,
            images_per_class=per_class,
            like=root / 'train' if split != 'train' else None,
        )
        for split, (images, per_class) in IMAGENET_COUNTS.items()
    ]


def digit_scenes_parts(root: Path, report: Report) -> list[Part]:
    """DigitScenes: scenes with instances, label maps and single digits."""
    counts = _digit_scenes_counts(root, report)
    parts: list[Part] = []
    maps, single = root / 'label_maps', root / 'classification'
    for split in ('train', 'val'):
        number = counts.get(split, {}).get
        scenes, images = number('scenes'), root / 'images' / split
        file = root / 'annotations' / f'instances_{split}.json'
        classes = ExpectedClasses(DIGITS, range(1, 11))
        parts += [
            DetectionSet(
                f'{split} instances',
                file,
                images,
                root,
                classes,
                num_images=scenes,
                num_annotations=number('instances'),
            ),
            SegmentationSet(
                f'{split} label maps',
                images,
                maps / split,
                root,
                1 + len(DIGITS),
                zero_is_unlabelled=True,
                num_images=scenes,
            ),
            ClassFolders(
                f'{split} classification',
                single / split,
                root,
                len(DIGITS),
                num_images=number('crops'),
                like=single / 'train' if split != 'train' else None,
            ),
        ]
    return parts


def _digit_scenes_counts(root: Path, report: Report) -> dict[str, Any]:
    """What the generator says it has written; notes if it has not ended."""
    file = root / MANIFEST
    try:
        return dict(json.loads(file.read_text(encoding='utf-8'))['counts'])
    except FileNotFoundError:
        problem = f'{file} does not exist: the generator has not finished'
    except (ValueError, KeyError, TypeError) as error:
        problem = f'{file} is damaged: {type(error).__name__}: {error}'
    Notes(report, MANIFEST).error(
        'digit-scenes-unfinished',
        problem,
        f'convmae-mm digit-scenes --out {root} continues or renews it',
    )
    return {}
