"""Configs whose data, model or schedule is wrong in one way, and what is said.

The configs are those parts that the check reads; nothing is built or trained.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from PIL import Image

from convmae_mm.data_check import Examiner, Report, check_config

SIZE = (48, 32)
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


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('sound')
    for kind, (make, _) in MAKE.items():
        make(root / kind)
    return root


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


def maps(values: Any, dtype: Any = np.uint8) -> Change:
    def apply(cfg: dict[str, Any], root: Path) -> None:
        for file in (root / 'lab').rglob('*.png'):
            write_map(file, values, dtype)

    return apply


def both(*changes: Change) -> Change:
    return lambda cfg, root: [change(cfg, root) for change in changes]


def rename(pattern: str, name: Callable[[Path], str]) -> Change:
    def apply(cfg: dict[str, Any], root: Path) -> None:
        for file in list(root.glob(pattern)):
            file.rename(file.with_name(name(file)))

    return apply


TRAIN, VAL = 'train_dataloader.dataset', 'val_dataloader.dataset'


def in_both(key: str, value: Any) -> Change:
    return both(*(put(f'{x}.{key}', value) for x in (TRAIN, VAL)))


def two_classes(number: int) -> Change:
    return both(
        in_both('metainfo.classes', ('a', 'b')),
        put('model.decode_head.num_classes', number),
        put('model.auxiliary_head.0.num_classes', number),
    )


ROI = 'model.roi_head'
OUT = [9, 9, 60, 9]
RUNS = dict(size=[SIZE[1], SIZE[0]], counts=[1])

# Which config, what is changed, and the errors: code and words of each.
WRONG: dict[str, tuple[str, Change, dict[str, str]]] = {
    'classes of another spelling': (
        'det',
        put(f'{TRAIN}.metainfo.classes', ('Cat', 'dog')),
        {
            'category-missing': "'Cat' (the file has 'cat')",
            'classes-differ': "('Cat', 'dog')",
        },
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
    'a category name twice': (
        'det',
        edit(
            'train', lambda x: x['categories'].append(dict(id=9, name='cat'))
        ),
        {'category-name-duplicate': 'cat'},
    ),
    'one head of another number': (
        'det',
        put(f'{ROI}.mask_head.num_classes', 80),
        {'num-classes': 'model.roi_head.mask_head.num_classes=2'},
    ),
    'the background counted': (
        'det',
        both(
            put(f'{ROI}.bbox_head.num_classes', 3),
            put(f'{ROI}.mask_head.num_classes', 3),
        ),
        {'num-classes': 'no background is counted'},
    ),
    'a head without a number has its default': (
        'det',
        put(f'{ROI}.bbox_head.num_classes', ...),
        {'num-classes': 'model.roi_head.bbox_head.num_classes=80'},
    ),
    'one stage of a cascade': (
        'det',
        put(
            f'{ROI}.bbox_head',
            [dict(type='Shared2FCBBoxHead', num_classes=n) for n in (2, 2, 5)],
        ),
        {'num-classes': 'model.roi_head.bbox_head.2.num_classes=5'},
    ),
    'sizes missing of a picture that cannot be opened': (
        'det',
        both(
            without('val', 'images', 'width', 'height'),
            lambda cfg, root: (root / 'val/1.jpg').write_bytes(b''),
        ),
        {'field-missing': 'images[0] lacks width, lacks height'},
    ),
    'masks missing in train': (
        'det',
        without('train', 'annotations', 'segmentation'),
        {'mask-missing': 'with_mask=False'},
    ),
    'masks missing where they are scored': (
        'det',
        both(
            without('val', 'annotations', 'segmentation'),
            put(f'{VAL}.pipeline', [dict(type='LoadImageFromFile')]),
        ),
        {'mask-missing': '4 of 4 annotations'},
    ),
    'masks scored that no head makes': (
        'det',
        put(f'{ROI}.mask_head', None),
        {'metric-without-head': "val_evaluator.metric=['bbox']"},
    ),
    'run lengths that are too short': (
        'det',
        edit('train', lambda x: x['annotations'][0].update(segmentation=RUNS)),
        {'mask-malformed': 'add up to 1 instead of 1,536 pixels'},
    ),
    'a val picture missing': (
        'det',
        lambda cfg, root: (root / 'val/2.jpg').unlink(),
        {'image-missing': '2.jpg'},
    ),
    'the val annotations missing': (
        'det',
        lambda cfg, root: [
            (root / 'val.json').unlink(),
            shutil.copy(root / 'train.json', root / 'elsewhere.json'),
            cfg['val_evaluator'].update(ann_file=str(root / 'elsewhere.json')),
        ],
        {'annotation-file-missing': 'val.json does not exist'},
    ),
    'data_root typed twice': (
        'det',
        lambda cfg, root: put(f'{TRAIN}.ann_file', f'{root.name}/train.json')(
            cfg, root
        ),
        {'annotation-file-missing': 'it seems to be at'},
    ),
    'the pictures of another folder': (
        'det',
        put(f'{TRAIN}.data_prefix.img', 'trains/'),
        {'image-folder-missing': 'trains'},
    ),
    'the pictures without a prefix': (
        'det',
        put(f'{TRAIN}.data_prefix', dict(img_path='train/')),
        {'picture-prefix': 'data_prefix=dict(img=', 'image-missing': '1.jpg'},
    ),
    'nothing but small pictures': (
        'det',
        put(f'{TRAIN}.filter_cfg', dict(min_size=1000)),
        {'nothing-kept': '4 pictures left out (below 1000 px)'},
    ),
    'val without annotations': (
        'det',
        edit('val', lambda x: x['annotations'].clear()),
        {'no-annotations': '4 images without a single annotation'},
    ),
    'pictures that were resized': (
        'det',
        lambda cfg, root: picture(root / 'val/1.jpg', (24, 16)),
        {'image-size': '24 x 16, annotations: 48 x 32'},
    ),
    'corners for boxes': (
        'det',
        edit(
            'train',
            lambda data: [
                x.update(bbox=[40, 20, 46, 30]) for x in data['annotations']
            ],
        ),
        {'box-outside': 'so many suggest corners'},
    ),
    'an evaluator without its file': (
        'det',
        put('val_evaluator.ann_file', 'val.json'),
        {'evaluator-file-missing': 'it is not relative to data_root'},
    ),
    'an evaluator of other pictures': (
        'det',
        lambda cfg, root: [
            save(root / 'other.json', [dict(id=9)], [], []),
            cfg['val_evaluator'].update(ann_file=str(root / 'other.json')),
        ],
        {'evaluator-file': 'has 1 images, 0 of them among the 4'},
    ),
    'masks of 0 and 255': (
        'seg',
        both(two_classes(2), maps((0, 255))),
        {'label-map-255': 'write the object as 1 instead of 255'},
    ),
    'one class for 0 and 1': (
        'seg',
        both(two_classes(1), maps((0, 1))),
        {'num-classes': 'an object and its background are two classes'},
    ),
    'labels of 16 bits': (
        'seg',
        maps((0, 256, 299), np.uint16),
        {'label-map-depth': 'labels [256, 299]'},
    ),
    'labels beyond the classes': (
        'seg',
        maps((0, 1, 3)),
        {'label-map-value': 'outside 0 to 2'},
    ),
    'labels from 1 on': (
        'seg',
        maps((1, 2, 3)),
        {
            'label-map-value': 'outside 0 to 2',
            'label-map-shift': 'reduce_zero_label=True',
        },
    ),
    'maps in colour': (
        'seg',
        lambda cfg, root: picture(root / 'lab/train/0.png'),
        {'label-map-unreadable': '3 channels (mode RGB)'},
    ),
    'a map of another size': (
        'seg',
        lambda cfg, root: Image.new('L', (10, 10)).save(
            root / 'lab/val/1.png'
        ),
        {'label-map-size': '10 x 10, picture: 48 x 32'},
    ),
    'nothing labelled': (
        'seg',
        maps((255,)),
        {'label-map-empty': 'all are [255]'},
    ),
    'two rules for zero': (
        'seg',
        put(f'{TRAIN}.pipeline.1.reduce_zero_label', True),
        {'reduce-zero-label': 'leave it out of LoadAnnotations'},
    ),
    'another suffix': (
        'seg',
        rename('img/train/*', lambda x: f'{x.stem}.JPG'),
        {'nothing-kept': "set img_suffix='.JPG'"},
    ),
    'another suffix of the maps': (
        'seg',
        rename('lab/val/*', lambda x: f'{x.stem}_mask.png'),
        {'label-map-missing': 'which holds 0_mask.png'},
    ),
    'a folder typed wrong': (
        'seg',
        put(f'{TRAIN}.data_prefix.img_path', 'imgs/train'),
        {'dataset-unreadable': 'imgs/train'},
    ),
    'a head of another number': (
        'seg',
        put('model.auxiliary_head.0.num_classes', 150),
        {'num-classes': 'model.auxiliary_head.0.num_classes=3'},
    ),
    'weights of other classes': (
        'seg',
        put('model.decode_head.loss_decode', dict(class_weight=[1.0] * 11)),
        {'class-weight': '11 numbers for 3 classes'},
    ),
    'a class that is ignored': (
        'seg',
        both(
            put('model.decode_head.ignore_index', 0),
            put('model.auxiliary_head.0.ignore_index', 0),
            put('val_evaluator.ignore_index', 0),
        ),
        {'ignored-class': 'never be learned'},
    ),
    'a score that ignores another label': (
        'seg',
        put('val_evaluator.ignore_index', 7),
        {'evaluator-ignores': 'val_evaluator.ignore_index=255'},
    ),
    'too few colours': (
        'seg',
        put(f'{TRAIN}.metainfo.palette', [[1, 2, 3]]),
        {'palette-length': '1 colours for 3 classes'},
    ),
    'val folders without a class': (
        'cls',
        lambda cfg, root: shutil.rmtree(root / 'val/b'),
        {'class-folders': "['b'] missing"},
    ),
    'folders in the order of other names': (
        'cls',
        in_both('metainfo', dict(classes=('b', 'a', 'c'))),
        {'class-order': "classes=('a', 'b', 'c')"},
    ),
    'fewer names than folders': (
        'cls',
        in_both('metainfo', dict(classes=('a', 'b'))),
        {'class-count': "only: ['c']", 'num-classes': 'has 2 classes'},
    ),
    'a classifier of another number': (
        'cls',
        put('model.head.num_classes', 1000),
        {'num-classes': 'model.head.num_classes=3'},
    ),
    'a preprocessor of another number': (
        'cls',
        put('model.data_preprocessor.num_classes', 10),
        {'num-classes': 'model.data_preprocessor.num_classes=3'},
    ),
    'labels of a list beyond the classes': (
        'cls',
        lambda cfg, root: [
            (root / 'list.txt').write_text('a/0.jpg 0\nb/0.jpg 3\n'),
            cfg['train_dataloader']['dataset'].update(ann_file='list.txt'),
        ],
        {'label-range': '1 of 2 labels are outside 0 to 2'},
    ),
    'no picture at all': (
        'cls',
        lambda cfg, root: [x.unlink() for x in root.glob('val/*/*')],
        {'dataset-unreadable': 'Found 0 files'},
    ),
    'batches that are never full': (
        'cls',
        both(
            put('train_dataloader.batch_size', 8),
            put('train_dataloader.drop_last', True),
        ),
        {'no-batch': 'train_dataloader.batch_size=6'},
    ),
    'a validation every 0 epochs': (
        'cls',
        put('train_cfg.val_interval', 0),
        {'val-interval': 'train_cfg.val_interval=0 must be'},
    ),
    'an object without its background': (
        'seg',
        put('model.decode_head.num_classes', 1),
        {'num-classes': 'num_classes=2 with out_channels=1 and use_sigmoid'},
    ),
    'no batch size': (
        'cls',
        put('train_dataloader.batch_size', 0),
        {'batch-size': 'train_dataloader.batch_size=0 must be'},
    ),
    'a batch size in words': (
        'cls',
        put('val_dataloader.batch_size', 'four'),
        {'batch-size': "val_dataloader.batch_size='four' must be"},
    ),
    'an order that the sampler decides': (
        'cls',
        put('train_dataloader.shuffle', True),
        {'loader-shuffle': 'set train_dataloader.sampler.shuffle'},
    ),
    'an optimizer that is none': (
        'cls',
        put('optim_wrapper.optimizer.type', 'AdmW'),
        {'optimizer-unknown': "is 'AdamW' meant"},
    ),
    'an epoch that never ends': (
        'cls',
        put('train_dataloader.sampler.type', 'InfiniteSampler'),
        {'sampler-endless': 'the first epoch never ends'},
    ),
    'a validation that never ends': (
        'cls',
        put('val_dataloader.sampler.type', 'InfiniteSampler'),
        {'sampler-endless': 'it never ends'},
    ),
    'a learning rate of 0': (
        'cls',
        put('optim_wrapper.optimizer.lr', 0.0),
        {'learning-rate-zero': 'nothing would be learned'},
    ),
}

# The same for what is unusual and goes on.
UNUSUAL: dict[str, tuple[str, Change, dict[str, str]]] = {
    'sizes missing': (
        'det',
        without('val', 'images', 'width', 'height'),
        {'field-computed': 'width (4 times) height (4 times)'},
    ),
    'areas missing': (
        'det',
        without('train', 'annotations', 'area'),
        {'field-computed': 'area (4 times)'},
    ),
    'crowd flags missing': (
        'det',
        without('val', 'annotations', 'iscrowd'),
        {'field-computed': 'iscrowd (4 times)'},
    ),
    'boxes missing': (
        'det',
        without('train', 'annotations', 'bbox'),
        {'field-computed': 'bbox (4 times)'},
    ),
    'pictures without objects': (
        'det',
        edit('train', lambda data: data['annotations'].pop()),
        {'picture-without-objects': 'filter_empty_gt=False'},
    ),
    'a category that is not wanted': (
        'det',
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
        'det',
        edit('val', lambda data: data['annotations'][0].update(id=0)),
        {'annotation-id-zero': 'annotations id 0'},
    ),
    'a box that leaves its picture': (
        'det',
        edit('train', lambda x: x['annotations'][0].update(bbox=OUT)),
        {'box-outside': 'clip them'},
    ),
    'val pictures that are trained on': (
        'det',
        put(f'{VAL}.data_prefix.img', 'train/'),
        {'split-overlap': '4 of 4 pictures'},
    ),
    'a class that never occurs': (
        'seg',
        maps((0, 1)),
        {'class-unused': "2 ('c')"},
    ),
    'labels from 0 on with reduce_zero_label': (
        'seg',
        in_both('reduce_zero_label', True),
        {'label-map-zero': 'set reduce_zero_label=False',
         'class-unused': "2 ('c')"},
    ),
    'pictures of two suffixes': (
        'seg',
        lambda cfg, root: picture(root / 'img/train/0.png'),
        {'image-suffix': '0.png'},
    ),
    'an empty class folder': (
        'cls',
        lambda cfg, root: [x.unlink() for x in root.glob('train/b/*')],
        {'class-unused': "'b'"},
    ),
    'a warm-up longer than the training': (
        'cls',
        put('param_scheduler.0.end', 1000),
        {'schedule-cut-off': 'the warm-up is longer than the training'},
    ),
    'a schedule that ends early': (
        'cls',
        put('param_scheduler.1.end', 5),
        {'schedule-short': 'to 0 at 5 of 10 epochs'},
    ),
    'a schedule that does not end': (
        'cls',
        put('train_cfg.max_epochs', 3),
        {'schedule-cut-off': 'does not come to its end'},
    ),
    'iterations taken for epochs': (
        'cls',
        put('param_scheduler.1', dict(type='MultiStepLR', milestones=[300])),
        {'milestone-unreached': 'beyond the 10 epochs'},
    ),
    'a schedule that never begins': (
        'cls',
        put('param_scheduler.1.begin', 10),
        {'schedule-unreached': 'it never acts'},
    ),
    'a validation that is never reached': (
        'cls',
        put('train_cfg.val_begin', 11),
        {'no-validation': '--no-validate'},
    ),
    'a single validation': (
        'cls',
        put('train_cfg.val_interval', 20),
        {'one-validation': 'the only validation is at the end'},
    ),
    'batches in the same order': (
        'cls',
        put('train_dataloader.sampler.shuffle', False),
        {'not-shuffled': 'every epoch has the same batches'},
    ),
}  # fmt: skip


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


FINE: dict[str, tuple[str, Change]] = {
    'an optimizer of a library': (
        'cls',
        put('optim_wrapper.optimizer', dict(type='Lamb', lr=1e-3)),
    ),
    'a shuffle that is off beside a sampler': (
        'det',
        put('val_dataloader.shuffle', False),
    ),
    'an interval as a power of ten': (
        'det',
        put('train_cfg.val_interval', 1e0),
    ),
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
    'masks of a head that is not called so': (
        'det',
        both(
            put(f'{ROI}.mask_head', None),
            put('model.bbox_head', dict(type='A', loss_mask=dict(type='B'))),
        ),
    ),
    'as it is': ('det', lambda cfg, root: None),
    'label maps': ('seg', lambda cfg, root: None),
    'class folders': ('cls', lambda cfg, root: None),
    'repeated': ('det', wrapped('RepeatDataset', times=3)),
    'joined': ('det', wrapped('ConcatDataset')),
    'balanced': ('seg', wrapped('RepeatDataset', times=2)),
    'boxes alone': (
        'det',
        both(
            *(without(x, 'annotations', 'segmentation')
              for x in ('train', 'val')),
            in_both('pipeline', [dict(type='LoadImageFromFile')]),
            put('val_evaluator.metric', 'bbox'),
            put(f'{ROI}.mask_head', None),
        ),
    ),
    'negatives kept': (
        'det',
        both(
            edit('train', lambda data: data['annotations'].pop()),
            put(f'{TRAIN}.filter_cfg.filter_empty_gt', False),
        ),
    ),
    'a suffix of the maps': (
        'seg',
        both(
            rename('lab/*/*', lambda x: f'{x.stem}_mask.png'),
            in_both('seg_map_suffix', '_mask.png'),
        ),
    ),
    'labels from 1 on': (
        'seg',
        both(
            maps((0, 1, 2, 3)),
            in_both('reduce_zero_label', True),
        ),
    ),
    'another label ignored': (
        'seg',
        both(
            maps((0, 1, 2, 11)),
            put('model.decode_head.ignore_index', 11),
            put('model.auxiliary_head.0.ignore_index', 11),
            put('val_evaluator.ignore_index', 11),
        ),
    ),
    'names that are no folders': (
        'cls',
        in_both('metainfo', dict(classes=('x', 'y', 'z'))),
    ),
    'arrays of five channels': (
        'seg',
        lambda cfg, root: [
            [
                (
                    np.save(x.with_suffix('.npy'), np.zeros((32, 48, 5))),
                    x.unlink(),
                )
                for x in root.glob('img/*/*')
            ],
            *(
                cfg[f'{x}_dataloader']['dataset'].update(
                    img_suffix='.npy',
                    pipeline=[
                        dict(
                            type='convmae_mm.LoadMultiChannelImage',
                            in_channels=5,
                        )
                    ],
                )
                for x in ('train', 'val')
            ),
        ],
    ),
}  # fmt: skip


def changed(kind: str, change: Change, sound: Path, tmp_path: Path) -> Any:
    root = Path(shutil.copytree(sound / kind, tmp_path / 'my_set'))
    cfg = MAKE[kind][1](root)
    change(cfg, root)
    return cfg


@pytest.mark.parametrize('name', FINE)
def test_nothing_is_said_of_what_is_fine(name, sound, tmp_path):
    kind, change = FINE[name]
    report = checked(changed(kind, change, sound, tmp_path))
    assert report.faults == []


@pytest.mark.parametrize('name', [*WRONG, *UNUSUAL])
def test_each_fault_is_named(name, sound, tmp_path):
    kind, change, expected = (WRONG | UNUSUAL)[name]
    report = checked(changed(kind, change, sound, tmp_path))
    severity = 'error' if name in WRONG else 'warning'
    told = {
        x.code: ' '.join((x.problem, x.remedy, *x.examples))
        for x in report.faults
        if x.severity == severity
    }
    assert set(told) == set(expected), report.faults
    for code, words in expected.items():
        assert words in told[code], told[code]
    if severity == 'warning':
        assert not report.num_errors


def test_each_split_is_counted(sound, tmp_path):
    change = edit('train', lambda data: data['annotations'].pop())
    report = checked(changed('det', change, sound, tmp_path))
    assert report.facts['train'] == {
        'pictures found': 4,
        'pictures kept': 3,
        'pictures left out (without objects)': 1,
        'objects found': 3,
        'objects kept': 3,
    }


def test_types_may_be_classes(sound, tmp_path):
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

    assert checked(changed('det', use_classes, sound, tmp_path)).faults == []


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('gone', [False, True])
def test_pictures_alone_are_fine_to_predict_on(split, gone, sound, tmp_path):
    """As COCO's test-dev has them; a validation needs annotations."""

    def empty(data: dict[str, Any]) -> None:
        data['annotations'] = []
        if gone:
            del data['annotations']

    cfg = Config(changed('det', edit('val', empty), sound, tmp_path))
    cfg.test_dataloader, cfg.test_cfg = cfg.val_dataloader, cfg.val_cfg
    cfg.test_evaluator = cfg.val_evaluator
    report = check_config(cfg, [split], Examiner(progress=False))
    assert bool(report.num_errors) == (split == 'val'), report.faults
    assert {x.code for x in report.faults} <= {'no-annotations', 'not-coco'}


def test_a_data_set_that_only_it_can_read(sound, tmp_path):
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
    cfg = detector(sound / 'det')
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


@DATASETS.register_module()
class FromNothing(torch.utils.data.Dataset):
    """A data set that somebody wrote without the libraries' base class."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> int:
        return index


def test_a_data_set_of_its_own_kind_is_left_alone(sound, tmp_path):
    cfg = changed(
        'det',
        put('train_dataloader.dataset', dict(type='FromNothing', number=3)),
        sound,
        tmp_path,
    )
    report = checked(cfg)
    assert report.faults == []
    assert report.facts['train'] == {'data sets not looked into': 1}


def unlabelled(data: dict[str, Any]) -> None:
    del data['annotations']


@pytest.mark.parametrize('scored', [True, False])
def test_what_is_only_written_down_needs_no_annotations(
    scored, sound, tmp_path
):
    cfg = changed('det', edit('val', unlabelled), sound, tmp_path)
    cfg['val_evaluator']['format_only'] = not scored
    assert bool(checked(cfg).num_errors) == scored


def test_pictures_beside_labelled_ones_need_no_annotations(sound, tmp_path):
    """As a semi-supervised training has them."""
    cfg = changed('det', edit('val', unlabelled), sound, tmp_path)
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


@pytest.mark.parametrize(
    ('launcher', 'variable'),
    [
        ('pytorch', 'WORLD_SIZE'),
        ('slurm', 'SLURM_NTASKS'),
        ('mpi', 'OMPI_COMM_WORLD_SIZE'),
        ('none', None),
    ],
)
def test_batches_are_counted_for_all_processes(
    launcher, variable, sound, tmp_path, monkeypatch
):
    """A job's variables mean nothing to a process that starts alone."""
    for name in ('WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE'):
        monkeypatch.setenv(name, '4' if variable in (name, None) else '1')
    cfg = changed('det', put('launcher', launcher), sound, tmp_path)
    cfg['train_dataloader']['drop_last'] = True
    found = {x.code for x in checked(cfg).faults}
    assert ('no-batch' in found) == (launcher != 'none')
