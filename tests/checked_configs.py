"""Configs of small sound sets, and what may be wrong with one of them.

The configs are those parts that the check reads; nothing is built or trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from convmae_mm.data_check import Examiner, Report, check_config

SIZE = (48, 32)
TRAIN, VAL = 'train_dataloader.dataset', 'val_dataloader.dataset'
ROI = 'model.roi_head'
Change = Callable[[dict[str, Any], Path], Any]


def picture(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (9, 99, 199)).save(path)


def make_coco(root: Path) -> None:
    for split in ('train', 'val'):
        for index in range(1, 5):
            picture(root / split / f'{index}.jpg')
        annotations = [
            dict(
                id=i,
                image_id=i,
                category_id=(7, 3)[i % 2],
                bbox=[4, 4, 20, 16],
                area=320,
                iscrowd=0,
                segmentation=[[4, 4, 24, 4, 24, 20, 4, 20]],
            )
            for i in range(1, 5)
        ]
        images = [
            dict(id=i, file_name=f'{i}.jpg', width=SIZE[0], height=SIZE[1])
            for i in range(1, 5)
        ]
        categories = [dict(id=7, name='dog'), dict(id=3, name='cat')]
        save(root / f'{split}.json', images, annotations, categories)


def save(
    path: Path, images: list[Any], annotations: list[Any], categories: Any
) -> None:
    path.write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )


def make_maps(root: Path) -> None:
    for split in ('train', 'val'):
        for index in range(4):
            picture(root / f'img/{split}/{index}.jpg')
            write_map(root / f'lab/{split}/{index}.png', (0, 1, 2))


def write_map(path: Path, values: Any, dtype: Any = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.resize(np.array(values, dtype), SIZE[::-1])
    Image.fromarray(labels).save(path)


def make_folders(root: Path) -> None:
    for split in ('train', 'val'):
        for name in 'abc':
            for index in range(2):
                picture(root / f'{split}/{name}/{index}.jpg')


def loader(dataset: dict[str, Any], train: bool = False) -> dict[str, Any]:
    return dict(
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=train),
        dataset=dataset,
    )


def whole(scope: str, train: Any, val: Any, **parts: Any) -> dict[str, Any]:
    return dict(
        default_scope=scope,
        train_dataloader=loader(train, True),
        val_dataloader=loader(val),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=10),
        val_cfg=dict(type='ValLoop'),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=4),
            dict(type='CosineAnnealingLR', by_epoch=True, end=10),
        ],
        **parts,
    )


def detector(root: Path) -> dict[str, Any]:
    def data(split: str) -> dict[str, Any]:
        return dict(
            type='CocoDataset',
            data_root=str(root),
            ann_file=f'{split}.json',
            data_prefix=dict(img=f'{split}/'),
            metainfo=dict(classes=('cat', 'dog')),
            test_mode=split == 'val',
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            ],
        )

    evaluator = dict(
        type='CocoMetric',
        ann_file=str(root / 'val.json'),
        metric=['bbox', 'segm'],
    )
    model = dict(
        type='MaskRCNN',
        rpn_head=dict(type='RPNHead'),
        roi_head=dict(
            type='StandardRoIHead',
            bbox_head=dict(type='Shared2FCBBoxHead', num_classes=2),
            mask_head=dict(type='FCNMaskHead', num_classes=2),
        ),
    )
    return whole(
        'mmdet', data('train'), data('val'),
        val_evaluator=evaluator, model=model,
    )  # fmt: skip


def segmentor(root: Path) -> dict[str, Any]:
    def data(split: str) -> dict[str, Any]:
        return dict(
            type='BaseSegDataset',
            data_root=str(root),
            data_prefix=dict(
                img_path=f'img/{split}', seg_map_path=f'lab/{split}'
            ),
            metainfo=dict(classes=('a', 'b', 'c')),
            test_mode=split == 'val',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
            ],
        )

    model = dict(
        type='EncoderDecoder',
        decode_head=dict(type='UPerHead', num_classes=3),
        auxiliary_head=[dict(type='FCNHead', num_classes=3)],
    )
    return whole(
        'mmseg', data('train'), data('val'),
        val_evaluator=dict(type='IoUMetric'), model=model,
    )  # fmt: skip


def classifier(root: Path) -> dict[str, Any]:
    def data(split: str) -> dict[str, Any]:
        return dict(
            type='CustomDataset',
            data_root=str(root),
            data_prefix=split,
            pipeline=[dict(type='LoadImageFromFile')],
        )

    model = dict(
        type='ImageClassifier',
        head=dict(type='LinearClsHead', num_classes=3),
        data_preprocessor=dict(num_classes=3),
    )
    return whole(
        'mmpretrain', data('train'), data('val'),
        val_evaluator=dict(type='Accuracy'), model=model,
    )  # fmt: skip


MAKE = dict(
    det=(make_coco, detector),
    seg=(make_maps, segmentor),
    cls=(make_folders, classifier),
)


def checked(cfg: dict[str, Any]) -> Report:
    examiner = Examiner(sample=8, progress=False, decode=False)
    return check_config(Config(cfg), ('train', 'val'), examiner)


def put(key: str, value: Any) -> Change:
    """Replace a setting, or remove it with ``...``."""

    def change(cfg: dict[str, Any], root: Path) -> None:
        *path, last = key.split('.')
        part: Any = cfg
        for name in path:
            part = part[int(name) if isinstance(part, list) else name]
        if isinstance(part, list):
            part[int(last)] = value
        elif value is ...:
            del part[last]
        else:
            part[last] = value

    return change


def edit(split: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change the content of an annotation file."""

    def apply(cfg: dict[str, Any], root: Path) -> None:
        file = root / f'{split}.json'
        data = json.loads(file.read_text())
        change(data)
        file.write_text(json.dumps(data))

    return apply


def without(split: str, records: str, *fields: str) -> Change:
    return edit(
        split,
        lambda data: [x.pop(name) for x in data[records] for name in fields],
    )


def both(*changes: Change) -> Change:
    return lambda cfg, root: [change(cfg, root) for change in changes]


def in_both(key: str, value: Any) -> Change:
    return both(*(put(f'{x}.{key}', value) for x in (TRAIN, VAL)))


def maps(values: Any, dtype: Any = np.uint8) -> Change:
    def apply(cfg: dict[str, Any], root: Path) -> None:
        for file in (root / 'lab').rglob('*.png'):
            write_map(file, values, dtype)

    return apply


def two_classes(number: int) -> Change:
    return both(
        in_both('metainfo.classes', ('a', 'b')),
        put('model.decode_head.num_classes', number),
        put('model.auxiliary_head.0.num_classes', number),
    )


class Case(NamedTuple):
    """One change of a sound set, and what is said of it.

    Attributes:
        kind: Of the set: 'det', 'seg' or 'cls'.
        change: Of the config, or of its files.
        words: By the code of each fault.
        severity: Of these faults.
    """

    kind: str
    change: Change
    words: Mapping[str, str]
    severity: str


Rows = dict[str, tuple[Any, ...]]


def cases(
    wrong: Rows, unusual: Rows, fine: Rows, kind: str = ''
) -> pytest.MarkDecorator:
    """A test of each row: the kind, unless all have one, change and words."""
    rows: Rows = {name: (*row, {}) for name, row in fine.items()}
    of_one = (kind,) if kind else ()
    return pytest.mark.parametrize(
        'case',
        [
            pytest.param(Case(*of_one, *row, severity), id=name)
            for severity, table in (
                ('error', wrong),
                ('warning', unusual | rows),
            )
            for name, row in table.items()
        ],
    )


def assert_said(
    case: Case, changed: Callable[[str, Change], dict[str, Any]]
) -> None:
    """Its faults are named and no other; warnings come without errors."""
    report = checked(changed(case.kind, case.change))
    told = {
        x.code: ' '.join((x.problem, x.remedy, *x.examples))
        for x in report.faults
        if x.severity == case.severity
    }
    assert set(told) == set(case.words), report.faults
    for code, words in case.words.items():
        assert words in told[code], told[code]
    if case.severity == 'warning':
        assert not report.num_errors
