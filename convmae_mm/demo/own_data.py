"""How to do the same with one's own pictures, for the report."""

from __future__ import annotations

from dataclasses import dataclass

from .steps import DETECTOR_CONFIG, PRETRAIN, SEGMENTOR_CONFIG


@dataclass(frozen=True)
class OwnData:
    """Commands and configs, as text to copy.

    Attributes:
        pretrain: Command.
        detector_config: A config that inherits from the quick start's.
        detector: Command.
        segmentor_config: As ``detector_config``.
        segmentor: Command.
    """

    pretrain: str
    detector_config: str
    detector: str
    segmentor_config: str
    segmentor: str


def own_data(encoder_epochs: int) -> OwnData:
    """The texts; the pretraining lasts so many epochs."""
    encoder = f'work_dirs/my_encoder/epoch_{encoder_epochs}.pth'
    return OwnData(
        pretrain=_PRETRAIN,
        detector_config=_DETECTOR.replace('ENCODER', encoder),
        detector='convmae-mm train my_detector.py',
        segmentor_config=_SEGMENTOR.replace('ENCODER', encoder),
        segmentor='convmae-mm train my_segmentor.py',
    )


_PRETRAIN = f"""\
convmae-mm train configs/quickstart/{PRETRAIN.config} \\
  --work-dir work_dirs/my_encoder \\
  --cfg-options train_dataloader.dataset.data_root=/path/to/pictures \\
    train_dataloader.dataset.data_prefix.img_path="''" """.rstrip()

_DETECTOR = f"""\
_base_ = ['configs/quickstart/{DETECTOR_CONFIG}']

classes = ('cat', 'dog')
data = dict(data_root='/path/to/data/', metainfo=dict(classes=classes))
train_dataloader = dict(
    dataset=dict(
        ann_file='train.json', data_prefix=dict(img='train/'), **data
    )
)
val_dataloader = dict(
    dataset=dict(ann_file='val.json', data_prefix=dict(img='val/'), **data)
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='/path/to/data/val.json')
test_evaluator = val_evaluator
model = dict(
    backbone=dict(init_cfg=dict(checkpoint='ENCODER')),
    roi_head=dict(
        bbox_head=dict(num_classes=len(classes)),
        mask_head=dict(num_classes=len(classes)),
    ),
)"""

_SEGMENTOR = f"""\
_base_ = ['configs/quickstart/{SEGMENTOR_CONFIG}']

classes = ('background', 'cat', 'dog')
data = dict(
    data_root='/path/to/data/',
    metainfo=dict(
        classes=classes, palette=[[90, 90, 90], [230, 25, 75], [0, 130, 200]]
    ),
    reduce_zero_label=False,
)
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path='train', seg_map_path='train_labels'),
        **data,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path='val', seg_map_path='val_labels'), **data
    )
)
test_dataloader = val_dataloader
model = dict(
    backbone=dict(init_cfg=dict(checkpoint='ENCODER')),
    decode_head=dict(
        num_classes=len(classes), loss_decode=dict(class_weight=None)
    ),
)"""
