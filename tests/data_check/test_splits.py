"""Data sets of a config: their classes, their wrappers, and odd kinds."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from checked_configs import (
    TRAIN,
    VAL,
    Change,
    Rows,
    assert_said,
    cases,
    checked,
    detector,
    in_both,
    picture,
    put,
)
from mmengine.registry import DATASETS


def wrapped(name: str, **settings: Any) -> Change:
    def apply(cfg: dict[str, Any], root: Path) -> None:
        inner = cfg['train_dataloader']['dataset']
        outer = dict(type=name, **settings)
        if name == 'ConcatDataset':
            outer['datasets'] = [inner, copy.deepcopy(inner)]
        else:
            outer['dataset'] = inner
        cfg['train_dataloader']['dataset'] = outer

    return apply


WRONG: Rows = {
    'a list in place of metainfo': (
        'det',
        put(f'{TRAIN}.metainfo', ['cat', 'dog']),
        {'dataset-unreadable': 'metainfo'},
    ),
    'no comma after a single class': (
        'det',
        put(f'{TRAIN}.metainfo.classes', 'cat'),
        {'classes-text': "classes=('cat',)"},
    ),
    'a class named twice': (
        'det',
        in_both('metainfo.classes', ('cat', 'cat')),
        {'class-repeated': 'cat'},
    ),
    'classes of val in another order': (
        'det',
        put(f'{VAL}.metainfo.classes', ('dog', 'cat')),
        {'classes-differ': 'in the same order'},
    ),
    'too few colours': (
        'seg',
        put(f'{TRAIN}.metainfo.palette', [[1, 2, 3]]),
        {'palette-length': '1 colours for 3 classes'},
    ),
}

FINE: Rows = {
    'colours of all classes of a set, some of which are named': (
        'seg',
        lambda cfg, root: [
            cfg[f'{split}_dataloader']['dataset'].update(
                type='CityscapesDataset',
                img_suffix='.jpg',
                seg_map_suffix='.png',
                metainfo=dict(
                    classes=('road', 'sidewalk', 'building'),
                    palette=[[k, k, k] for k in range(19)],
                ),
            )
            for split in ('train', 'val')
        ],
    ),
    'a palette by name': (
        'det',
        put(f'{TRAIN}.metainfo.palette', 'random'),
    ),
    'more colours than classes': (
        'det',
        put(f'{TRAIN}.metainfo.palette', [[k, k, k] for k in range(9)]),
    ),
    'repeated': ('det', wrapped('RepeatDataset', times=3)),
    'joined': ('det', wrapped('ConcatDataset')),
    'balanced': ('seg', wrapped('RepeatDataset', times=2)),
}


@cases(WRONG, {}, FINE)
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)


@DATASETS.register_module()
class FromNothing(torch.utils.data.Dataset):
    """A data set that somebody wrote without the libraries' base class."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> int:
        return index


def test_a_data_set_of_its_own_kind_is_left_alone(changed):
    cfg = changed(
        'det',
        put('train_dataloader.dataset', dict(type='FromNothing', number=3)),
    )
    report = checked(cfg)
    assert report.faults == []
    assert report.facts['train'] == {'data sets not looked into': 1}


def test_a_data_set_that_only_it_can_read(sound_sets, tmp_path):
    """VOC's XML files are read by the data set itself."""
    root = tmp_path / 'VOC2007'
    for index in range(3):
        picture(root / f'JPEGImages/{index}.jpg')
        file = root / f'Annotations/{index}.xml'
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            '<annotation><size><width>48</width><height>32</height></size>'
            '<object><name>cat</name><difficult>0</difficult><bndbox>'
            '<xmin>4</xmin><ymin>4</ymin><xmax>20</xmax><ymax>20</ymax>'
            '</bndbox></object></annotation>'
        )
    (root / 'ImageSets/Main').mkdir(parents=True)
    (root / 'ImageSets/Main/train.txt').write_text('0\n1\n2\n')
    cfg = detector(sound_sets / 'det')
    cfg['train_dataloader']['dataset'] = dict(
        type='VOCDataset',
        data_root=str(root),
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat', 'dog')),
        pipeline=[],
    )
    report = checked(cfg)
    assert report.facts['train']['pictures kept'] == 3
    assert [x.code for x in report.faults] == ['class-unused']
    assert report.faults[0].examples == ("'dog'",)
    (root / 'JPEGImages/1.jpg').unlink()
    assert 'image-missing' in [x.code for x in checked(cfg).faults]
