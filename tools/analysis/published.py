"""The published recipes and figures, in a form that programs can compare.

From the paper (arXiv 2205.03892), the READMEs and the commands of the authors'
repositories. A key that nothing is published about is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """What is published for one shipped config.

    Attributes:
        what: The row of a table or the file that it comes from.
        recipe: Settings by the names of
            :func:`recipe_settings.recipe_settings`.
        scores: Name of the measure -> value, in %.
        params: Parameters in millions.
        flops: Multiply-adds of one picture in units of 10^12 (T).
    """

    what: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    params: float | None = None
    flops: float | None = None


_PRETRAINING = {
    'optimizer': 'AdamW',
    'learning rate': 1.5e-4 * 3072 / 256,
    'betas': (0.9, 0.95),
    'weight decay': 0.05,
    'undecayed': ('bias', 'flat', 'norm'),
    'batch': 3072,
    'warm-up': '40 epochs',
    'decay': 'cosine to 0',
    'mask ratio': 0.75,
    'masks': 1,
    'normalised target': True,
    'size': 224,
    'scale': (0.2, 1.0),
    'flip': 0.5,
}
_FINE_TUNING = {
    'optimizer': 'AdamW',
    'learning rate': 5e-4 * 1024 / 256,
    'weight decay': 0.05,
    'batch': 1024,
    'length': '100 epochs',
    'layer decay': 0.65,
    'drop path': 0.1,
    'mixup': 0.8,
    'cutmix': 1.0,
    'random erasing': 0.25,
    'RandAugment': (9, 0.5),
    'label smoothing': 0.1,
    'size': 224,
    'pooling': 'mean',
    'flip': 0.5,
}
_LINEAR_PROBE = {
    'optimizer': 'LARS',
    'learning rate': 0.1 * 4096 / 256,
    'weight decay': 0.0,
    'batch': 4096,
    'length': '90 epochs',
    'pooling': 'first token',
    'size': 224,
}
_DETECTOR1 = {
    'optimizer': 'AdamW',
    'learning rate': 8e-5,
    'weight decay': 0.1,
    'undecayed': ('norm', 'pos_embed', 'rel_pos.table'),
    'batch': 32,
    # 0.5 % of 92,187, and as long in the longer trainings
    'warm-up': '460 iterations',
    'warm-up from': 0.001,
    'decay': 'cosine to 0',
    'drop path': 0.1,
    'size': 1024,
    'scale': (0.1, 2.0),
    'flip': 0.5,
    'precision': 'float16',
}
_DETECTOR2 = {
    'optimizer': 'AdamW',
    'learning rate': 1e-4,
    'weight decay': 0.1,
    'layer decay': 0.8,
    'batch': 16,
    'warm-up': '250 iterations',
    'warm-up from': 0.001,
    'drop path': 0.1,
    'size': 1024,
    'scale': (0.1, 2.0),
    'flip': 0.5,
    'precision': 'float16',
}
_SEGMENTOR = {
    'optimizer': 'AdamW',
    'learning rate': 1e-4,
    'weight decay': 0.05,
    'layer decay': 0.75,
    'batch': 16,
    'length': '160000 iterations',
    'warm-up': '1500 iterations',
    'warm-up from': 1e-6,
    'decay': 'polynomial, power 1, to 0',
    'drop path': 0.2,
    'size': 512,
    'test': 'slide 512 / 341',
    'flip': 0.5,
}

_PAPER = 'paper, table of '
_PRETRAIN_MD = 'released command of the pretraining'
PUBLISHED: dict[str, Published] = {
    'convmae-base_24xb128-amp-coslr-1600e_in1k': Published(
        _PRETRAIN_MD,
        {**_PRETRAINING, 'length': '1600 epochs'},
        {'top-1 after fine-tuning': 85.0, 'top-1 of a linear probe': 70.9},
    ),
    'fastconvmae-base_8xb64-amp-coslr-50e_in1k': Published(
        'FastConvMAE, README',
        {
            **_PRETRAINING,
            'learning rate': 6e-4 * 512 / 256,
            'batch': 512,
            'length': '50 epochs',
            'warm-up': '10 epochs',
            'masks': 4,
        },
        {'box AP of detector 1': 51.0, 'mask AP of detector 1': 45.4},
    ),
    'convmae-base_8xb128-amp-coslr-100e_in1k': Published(
        'released command of the fine-tuning',
        _FINE_TUNING,
        {'top-1': 85.0},
        params=88,
    ),
    'convmae-small_8xb128-amp-coslr-100e_in1k': Published(
        'ConvMAE-v2, README',
        scores={'top-1 of their v2 encoder': 83.6},
    ),
    'convmae-large_8xb128-amp-coslr-50e_in1k': Published(
        'ConvMAE-v2, README',
        scores={'top-1 of their v2 encoder': 86.8},
    ),
    'convmae-huge_8xb128-amp-coslr-50e_in1k': Published(
        'ConvMAE-v2, README',
        scores={'top-1 of their v2 encoder': 88.0},
    ),
    'convmae-base_8xb512-amp-linear-coslr-90e_in1k': Published(
        'released command of the linear probe', _LINEAR_PROBE, {'top-1': 70.9}
    ),
    'mask-rcnn_convmae-base_fpn_lsj-25e_coco': Published(
        # The text of the paper has this mode; the score is detector 1's.
        _PAPER + 'COCO',
        {**_DETECTOR1, 'length': '92187 iterations'},
        {'box AP': 53.2, 'mask AP': 47.1},
        params=104,
        flops=0.9,
    ),
    'mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco': Published(
        'released configuration of detector 1',
        {**_DETECTOR1, 'length': '92187 iterations'},
        {'box AP': 53.2, 'mask AP': 47.1},
        params=104,
        flops=0.9,
    ),
    'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco': Published(
        'released detector 2',
        {
            **_DETECTOR2,
            'length': '184375 iterations',
            'decay': 'x0.1 at 163889, 177546',
        },
        {'box AP': 53.9, 'mask AP': 47.6},
    ),
    'upernet_convmae-base_160k_ade20k-512x512': Published(
        _PAPER + 'ADE20K', _SEGMENTOR, {'mIoU': 51.7}, params=153, flops=0.6
    ),
    'upernet_convmae-base-seg_160k_ade20k-512x512': Published(
        'released segmentor',
        _SEGMENTOR,
        {'mIoU': 51.66, 'mAcc': 63.88, 'aAcc': 84.45},
        params=153,
        flops=0.6,
    ),
}
