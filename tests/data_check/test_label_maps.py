"""Segmentation sets of a config: label maps and their pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from checked_configs import (
    TRAIN,
    Change,
    Rows,
    assert_said,
    both,
    cases,
    in_both,
    maps,
    picture,
    put,
    two_classes,
)
from PIL import Image


def rename(pattern: str, name: Callable[[Path], str]) -> Change:
    def apply(cfg: dict[str, Any], root: Path) -> None:
        for file in list(root.glob(pattern)):
            file.rename(file.with_name(name(file)))

    return apply


WRONG: Rows = {
    'masks of 0 and 255': (
        both(two_classes(2), maps((0, 255))),
        {'label-map-255': 'write the object as 1 instead of 255'},
    ),
    'labels of 16 bits': (
        maps((0, 256, 299), np.uint16),
        {'label-map-depth': 'labels [256, 299]'},
    ),
    'labels beyond the classes': (
        maps((0, 1, 3)),
        {'label-map-value': 'outside 0 to 2'},
    ),
    'labels from 1 on': (
        maps((1, 2, 3)),
        {
            'label-map-value': 'outside 0 to 2',
            'label-map-shift': 'reduce_zero_label=True',
        },
    ),
    'maps in colour': (
        lambda cfg, root: picture(root / 'lab/train/0.png'),
        {'label-map-unreadable': '3 channels (mode RGB)'},
    ),
    'a map of another size': (
        lambda cfg, root: Image.new('L', (10, 10)).save(
            root / 'lab/val/1.png'
        ),
        {'label-map-size': '10 x 10, picture: 48 x 32'},
    ),
    'nothing labelled': (
        maps((255,)),
        {'label-map-empty': 'all are [255]'},
    ),
    'two rules for zero': (
        put(f'{TRAIN}.pipeline.1.reduce_zero_label', True),
        {'reduce-zero-label': 'leave it out of LoadAnnotations'},
    ),
    'another suffix': (
        rename('img/train/*', lambda x: f'{x.stem}.JPG'),
        {'nothing-kept': "set img_suffix='.JPG'"},
    ),
    'another suffix of the maps': (
        rename('lab/val/*', lambda x: f'{x.stem}_mask.png'),
        {'label-map-missing': 'which holds 0_mask.png'},
    ),
    'a folder typed wrong': (
        put(f'{TRAIN}.data_prefix.img_path', 'imgs/train'),
        {'dataset-unreadable': 'imgs/train'},
    ),
}

UNUSUAL: Rows = {
    'a class that never occurs': (
        maps((0, 1)),
        {'class-unused': "2 ('c')"},
    ),
    'labels from 0 on with reduce_zero_label': (
        in_both('reduce_zero_label', True),
        {
            'label-map-zero': 'set reduce_zero_label=False',
            'class-unused': "2 ('c')",
        },
    ),
    'pictures of two suffixes': (
        lambda cfg, root: picture(root / 'img/train/0.png'),
        {'image-suffix': '0.png'},
    ),
}

FINE: Rows = {
    'label maps': (lambda cfg, root: None,),
    'a suffix of the maps': (
        both(
            rename('lab/*/*', lambda x: f'{x.stem}_mask.png'),
            in_both('seg_map_suffix', '_mask.png'),
        ),
    ),
    'labels from 1 on': (
        both(
            maps((0, 1, 2, 3)),
            in_both('reduce_zero_label', True),
        ),
    ),
    'another label ignored': (
        both(
            maps((0, 1, 2, 11)),
            put('model.decode_head.ignore_index', 11),
            put('model.auxiliary_head.0.ignore_index', 11),
            put('val_evaluator.ignore_index', 11),
        ),
    ),
    'arrays of five channels': (
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
}


@cases(WRONG, UNUSUAL, FINE, kind='seg')
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)
