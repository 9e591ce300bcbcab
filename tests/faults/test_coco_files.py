"""COCO files, mutated: each fault is named, none is a traceback."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import WRONG_JSON, cases, mutate_often, refused
from PIL import Image

from convmae_mm.data_check import DetectionSet, Examiner, Report
from convmae_mm.data_check.coco_classes import ExpectedClasses
from convmae_mm.datasets.coco_by_name import read_coco_by_name
from convmae_mm.own_data.coco import look_at_coco, match_classes, split_coco

pytestmark = pytest.mark.slow
CLASSES = ('dog', 'cat')

COCO = {
    'info': {},
    'images': [
        dict(id=1, file_name='a.png', width=32, height=24),
        dict(id=2, file_name='b.png', width=32, height=24),
    ],
    'annotations': [
        dict(
            **dict(id=1, image_id=1, category_id=1, iscrowd=0, area=24.0),
            bbox=[2, 3, 4, 6],
            segmentation=[[2, 3, 6, 3, 6, 9, 2, 9]],
        ),
        dict(
            **dict(id=2, image_id=1, category_id=2, iscrowd=1, area=8),
            bbox=[0, 0, 2, 4],
            segmentation=dict(size=[24, 32], counts=[0, 4, 20, 4, 740]),
        ),
        dict(
            **dict(id=3, image_id=2, category_id=2, iscrowd=0),
            segmentation=dict(size=[24, 32], counts='S36b0000000000]`0'),
        ),
    ],
    'categories': [dict(id=1, name='cat'), dict(id=2, name='dog')],
}


@pytest.fixture(scope='module')
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('pictures')
    for name in ('a.png', 'b.png'):
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / name)
    return folder


def write(content: Any, path: Path, number: int) -> Path:
    """As JSON; some are cut off or have a byte changed."""
    text = json.dumps(content).encode()
    if number % 20 == 0:
        text = text[: number % len(text)]
    elif number % 20 == 1:
        place = number % len(text)
        text = text[:place] + bytes([number % 256]) + text[place + 1 :]
    elif number % 200 == 2:
        text = b'[' * 100_000
    elif number % 200 == 3:
        text = b'1' * 5000
    path.write_bytes(text)
    return path


def load_all(file: Path, pictures: Path, masks: bool) -> None:
    """Read every picture as a training does."""
    from mmcv.transforms import LoadImageFromFile
    from mmdet.datasets import CocoDataset

    dataset = CocoDataset(
        ann_file=str(file),
        data_prefix=dict(img=str(pictures)),
        metainfo=dict(classes=CLASSES),
        serialize_data=False,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(
                type='mmdet.LoadAnnotations', with_bbox=True, with_mask=masks
            ),
            dict(type='mmdet.PackDetInputs'),
        ],
    )
    for index in range(len(dataset)):
        dataset[index]


def look(file: Path, pictures: Path) -> None:
    """What `new` and `run` do with a file."""
    found = look_at_coco(file, pictures)
    _ = (found.counts, found.has_masks, found.most_objects, found.boxes(64))
    train, val = split_coco(
        found, file.with_name('train.json'), file.with_name('val.json')
    )
    match_classes(val, train, file.with_name('copy.json'))


def test_mutated_coco_files_are_named_or_loaded(pictures, tmp_path):
    read_coco_by_name()
    told: Counter[str] = Counter()
    for draw in cases(2500):
        content: Any = mutate_often(COCO, draw, WRONG_JSON)
        if draw.random() < 0.01:
            content = draw.choice(WRONG_JSON)
        file = write(content, tmp_path / 'coco.json', draw.number)
        masks = draw.random() < 0.5
        report = Report(root=str(tmp_path), layout='own')
        part = DetectionSet(
            *('part', file, pictures, tmp_path),
            classes=ExpectedClasses(CLASSES),
            with_masks=masks,
        )
        examiner = Examiner(workers=1, progress=False)
        words = refused(draw, content, part.check, report, examiner)
        assert not words, content
        if report.num_errors == 0:
            words = refused(draw, content, load_all, file, pictures, masks)
            assert not words, content
        told['sound'] += report.num_errors == 0
        told['refused'] += bool(refused(draw, content, look, file, pictures))
    assert min(told.values()) > len(told), told
