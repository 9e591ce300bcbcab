"""Heads of a config that count other classes than its data have."""

from __future__ import annotations

from checked_configs import (
    ROI,
    Rows,
    assert_said,
    both,
    cases,
    maps,
    put,
    two_classes,
)

WRONG: Rows = {
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
    'one class for 0 and 1': (
        'seg',
        both(two_classes(1), maps((0, 1))),
        {'num-classes': 'an object and its background are two classes'},
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
    'an object without its background': (
        'seg',
        put('model.decode_head.num_classes', 1),
        {'num-classes': 'out_channels=1, loss_decode.use_sigmoid=True'},
    ),
    'an object without its background, and hard pixels': (
        'seg',
        put(
            'model.decode_head',
            dict(type='FCNHead', num_classes=1, sampler=dict(type='OHEM')),
        ),
        {'num-classes': 'loss_decode.use_sigmoid=True and sampler=None'},
    ),
}


@cases(WRONG, {}, {})
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)
