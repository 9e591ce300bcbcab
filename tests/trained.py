"""Tiny networks, trained for two steps on tiny scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convmae_mm import apis
from convmae_mm.apis.config import find_config
from convmae_mm.datasets.digit_scenes import generate_digit_scenes

QUIET: dict[str, Any] = {
    'train_cfg': dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=1),
    'param_scheduler': None,
    'custom_hooks': [],
    'default_hooks.logger.interval': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'model.backbone.init_cfg': None,
    'randomness': dict(seed=0),
}
TESTED: dict[str, Any] = {
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
}
CONFIGS = {
    'pretraining': 'convmae-tiny_pretrain_digit-scenes.py',
    'masks': 'mask-rcnn_convmae-tiny_fpn_digit-scenes.py',
    'boxes': 'mask-rcnn_convmae-tiny_fpn_digit-scenes.py',
    'segmentor': 'upernet_convmae-tiny_digit-scenes.py',
    'classifier': 'convmae-tiny_classification_digit-scenes.py',
}


def make_scenes(root: Path) -> Path:
    """Ten scenes of 128 x 128 pixels, four of them held out."""
    generate_digit_scenes(root, train=6, val=4, seed=0, workers=1)
    return root


def train(kind: str, scenes: Path, work_dir: Path) -> Path:
    """The folder of a training of one of ``CONFIGS``."""
    data = f'{scenes}/'
    options = {**QUIET, 'experiment_name': f'{kind}_{work_dir.parent.name}'}
    options['train_dataloader.dataset.data_root'] = data
    if kind != 'pretraining':
        options |= TESTED
        for split in ('val', 'test'):
            options[f'{split}_dataloader.dataset.data_root'] = data
    if kind in ('masks', 'boxes'):
        for split in ('val', 'test'):
            options[f'{split}_evaluator.ann_file'] = (
                f'{data}annotations/instances_val.json'
            )
        # after a few steps everything is an object, a little
        options['model.test_cfg.rcnn.score_thr'] = 0.0
        options['model.test_cfg.rcnn.max_per_img'] = 10
    if kind == 'boxes':
        options['model.roi_head.mask_head'] = None
        options['model.roi_head.mask_roi_extractor'] = None
        for split in ('val', 'test'):
            options[f'{split}_evaluator.metric'] = 'bbox'
        options['train_dataloader.dataset.pipeline.1.with_mask'] = False
    apis.train(
        find_config(f'quickstart/{CONFIGS[kind]}'),
        work_dir=work_dir,
        cfg_options=options,
    )
    return work_dir
