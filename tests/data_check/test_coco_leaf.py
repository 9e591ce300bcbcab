"""Detection sets of a config: the annotation file and its pictures."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from checked_configs import (
    ROI,
    SIZE,
    TRAIN,
    VAL,
    Rows,
    assert_said,
    both,
    cases,
    checked,
    edit,
    in_both,
    picture,
    put,
    without,
)
from mmengine.config import Config

from convmae_mm.data_check import Examiner, check_config


def unlabelled(data: dict[str, Any]) -> None:
    del data['annotations']


OUT = [9, 9, 60, 9]
RUNS = dict(size=[SIZE[1], SIZE[0]], counts=[1])

# What is changed, and the errors: code and words of each.
WRONG: Rows = {
    'classes of another spelling': (
        put(f'{TRAIN}.metainfo.classes', ('Cat', 'dog')),
        {
            'category-missing': "'Cat' (the file has 'cat')",
            'classes-differ': "('Cat', 'dog')",
        },
    ),
    'a category name twice': (
        edit(
            'train', lambda x: x['categories'].append(dict(id=9, name='cat'))
        ),
        {'category-name-duplicate': 'cat'},
    ),
    'sizes missing of a picture that cannot be opened': (
        both(
            without('val', 'images', 'width', 'height'),
            lambda cfg, root: (root / 'val/1.jpg').write_bytes(b''),
        ),
        {'field-missing': 'images[0] lacks width, lacks height'},
    ),
    'masks missing in train': (
        without('train', 'annotations', 'segmentation'),
        {'mask-missing': 'with_mask=False'},
    ),
    'masks missing where they are scored': (
        both(
            without('val', 'annotations', 'segmentation'),
            put(f'{VAL}.pipeline', [dict(type='LoadImageFromFile')]),
        ),
        {'mask-missing': '4 of 4 annotations'},
    ),
    'run lengths that are too short': (
        edit('train', lambda x: x['annotations'][0].update(segmentation=RUNS)),
        {'mask-malformed': 'add up to 1 instead of 1,536 pixels'},
    ),
    'a val picture missing': (
        lambda cfg, root: (root / 'val/2.jpg').unlink(),
        {'image-missing': '2.jpg'},
    ),
    'the val annotations missing': (
        lambda cfg, root: [
            (root / 'val.json').unlink(),
            shutil.copy(root / 'train.json', root / 'elsewhere.json'),
            cfg['val_evaluator'].update(ann_file=str(root / 'elsewhere.json')),
        ],
        {'annotation-file-missing': 'val.json does not exist'},
    ),
    'data_root typed twice': (
        lambda cfg, root: put(f'{TRAIN}.ann_file', f'{root.name}/train.json')(
            cfg, root
        ),
        {'annotation-file-missing': 'it seems to be at'},
    ),
    'the pictures of another folder': (
        put(f'{TRAIN}.data_prefix.img', 'trains/'),
        {'image-folder-missing': 'trains'},
    ),
    'the pictures without a prefix': (
        put(f'{TRAIN}.data_prefix', dict(img_path='train/')),
        {'picture-prefix': 'data_prefix=dict(img=', 'image-missing': '1.jpg'},
    ),
    'nothing but small pictures': (
        put(f'{TRAIN}.filter_cfg', dict(min_size=1000)),
        {'nothing-kept': '4 pictures left out (below 1000 px)'},
    ),
    'val without annotations': (
        edit('val', lambda x: x['annotations'].clear()),
        {'no-annotations': '4 images without a single annotation'},
    ),
    'pictures that were resized': (
        lambda cfg, root: picture(root / 'val/1.jpg', (24, 16)),
        {'image-size': '24 x 16, annotations: 48 x 32'},
    ),
    'corners for boxes': (
        edit(
            'train',
            lambda data: [
                x.update(bbox=[40, 20, 46, 30]) for x in data['annotations']
            ],
        ),
        {'box-outside': 'so many suggest corners'},
    ),
}

# The same for what is unusual and goes on.
UNUSUAL: Rows = {
    'sizes missing': (
        without('val', 'images', 'width', 'height'),
        {'field-computed': 'width (4 times) height (4 times)'},
    ),
    'areas missing': (
        without('train', 'annotations', 'area'),
        {'field-computed': 'area (4 times)'},
    ),
    'crowd flags missing': (
        without('val', 'annotations', 'iscrowd'),
        {'field-computed': 'iscrowd (4 times)'},
    ),
    'boxes missing': (
        without('train', 'annotations', 'bbox'),
        {'field-computed': 'bbox (4 times)'},
    ),
    'pictures without objects': (
        edit('train', lambda data: data['annotations'].pop()),
        {'picture-without-objects': 'filter_empty_gt=False'},
    ),
    'a category that is not wanted': (
        both(
            in_both('metainfo.classes', ('cat',)),
            put(f'{ROI}.bbox_head.num_classes', 1),
            put(f'{ROI}.mask_head.num_classes', 1),
        ),
        {
            'category-unexpected': 'their 2 annotations are left out',
            'picture-without-objects': '2 of 4 pictures',
        },
    ),
    'an annotation of id 0': (
        edit('val', lambda data: data['annotations'][0].update(id=0)),
        {'annotation-id-zero': 'annotations id 0'},
    ),
    'a box that leaves its picture': (
        edit('train', lambda x: x['annotations'][0].update(bbox=OUT)),
        {'box-outside': 'clip them'},
    ),
}

FINE: Rows = {
    'as it is': (lambda cfg, root: None,),
    'boxes alone': (
        both(
            *(
                without(x, 'annotations', 'segmentation')
                for x in ('train', 'val')
            ),
            in_both('pipeline', [dict(type='LoadImageFromFile')]),
            put('val_evaluator.metric', 'bbox'),
            put(f'{ROI}.mask_head', None),
        ),
    ),
    'negatives kept': (
        both(
            edit('train', lambda data: data['annotations'].pop()),
            put(f'{TRAIN}.filter_cfg.filter_empty_gt', False),
        ),
    ),
}


@cases(WRONG, UNUSUAL, FINE, kind='det')
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)


def test_each_split_is_counted(changed):
    change = edit('train', lambda data: data['annotations'].pop())
    report = checked(changed('det', change))
    assert report.facts['train'] == {
        'pictures found': 4,
        'pictures kept': 3,
        'pictures left out (without objects)': 1,
        'objects found': 3,
        'objects kept': 3,
    }


def test_types_may_be_classes(changed):
    """As configs of the newer style have them."""
    from mmdet.datasets import CocoDataset
    from mmdet.evaluation import CocoMetric
    from mmengine.dataset import DefaultSampler
    from mmengine.runner import EpochBasedTrainLoop

    def use_classes(cfg: dict[str, Any], root: Path) -> None:
        for split in ('train', 'val'):
            loader = cfg[f'{split}_dataloader']
            loader['dataset']['type'] = CocoDataset
            loader['sampler']['type'] = DefaultSampler
        cfg['val_evaluator']['type'] = CocoMetric
        cfg['train_cfg']['type'] = EpochBasedTrainLoop

    assert checked(changed('det', use_classes)).faults == []


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('gone', [False, True])
def test_pictures_alone_are_fine_to_predict_on(split, gone, changed):
    """As COCO's test-dev has them; a validation needs annotations."""

    def empty(data: dict[str, Any]) -> None:
        data['annotations'] = []
        if gone:
            del data['annotations']

    cfg = Config(changed('det', edit('val', empty)))
    cfg.test_dataloader, cfg.test_cfg = cfg.val_dataloader, cfg.val_cfg
    cfg.test_evaluator = cfg.val_evaluator
    report = check_config(cfg, [split], Examiner(progress=False))
    assert bool(report.num_errors) == (split == 'val'), report.faults
    assert {x.code for x in report.faults} <= {'no-annotations', 'not-coco'}


@pytest.mark.parametrize('scored', [True, False])
def test_what_is_only_written_down_needs_no_annotations(scored, changed):
    cfg = changed('det', edit('val', unlabelled))
    cfg['val_evaluator']['format_only'] = not scored
    assert bool(checked(cfg).num_errors) == scored


def test_pictures_beside_labelled_ones_need_no_annotations(changed):
    """As a semi-supervised training has them."""
    cfg = changed('det', edit('val', unlabelled))
    labelled = cfg['train_dataloader']['dataset']
    other = copy.deepcopy(labelled)
    other.update(ann_file='val.json', data_prefix=dict(img='val/'))
    other['filter_cfg'] = dict(filter_empty_gt=False)
    other['pipeline'] = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadEmptyAnnotations'),
    ]
    both = dict(type='ConcatDataset', datasets=[labelled, other])
    cfg['train_dataloader']['dataset'] = both
    cfg = {k: v for k, v in cfg.items() if not k.startswith('val_')}
    report = check_config(
        Config(cfg), ['train'], Examiner(progress=False, decode=False)
    )
    assert report.faults == []
    assert report.facts['train 2']['pictures kept'] == 4
