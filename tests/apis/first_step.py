"""The first step of three trainings, by one process or by several; a script.

    python first_step.py OUT DATA BATCH_SIZE
    torchrun --nproc-per-node 2 first_step.py OUT DATA BATCH_SIZE

Writes the loss of the step, averaged over processes, and how far it moved
some parameters, to OUT. What is random in a training is tied to the image
here, so that it does not depend on who processes it.
"""

import copy
import json
import os
import sys
from pathlib import Path

import torch
from mmdet.models.task_modules.samplers import RandomSampler
from mmengine.dist import all_reduce
from mmengine.hooks import Hook

from convmae_mm import apis
from convmae_mm.apis.config import build_runner, find_config
from convmae_mm.models.selfsup import ConvMAEPretrain

out, data, batch_size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
launcher = 'pytorch' if 'RANK' in os.environ else 'none'

# Group normalisation: its statistics are of one image, not of a batch.
norm = dict(_delete_=True, type='GN', num_groups=4)
COMMON = {
    'optim_wrapper': dict(
        _delete_=True,
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=1.0),
    ),
    'param_scheduler': None,
    'train_cfg': dict(
        _delete_=True, type='IterBasedTrainLoop', max_iters=1, val_interval=9
    ),
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'default_hooks.checkpoint': None,
    'custom_hooks': [],
    'train_dataloader.batch_size': batch_size,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.sampler.shuffle': False,
    'train_dataloader.dataset.data_root': data,
    'model.backbone.img_size': 64,
}
ENCODER = {'model.backbone.init_cfg': None}
# The parts of each training that would depend on the batch otherwise.
RUNS = {
    'convmae-tiny_pretrain_digit-scenes.py': {
        'model.neck.img_size': 64,
        # The same crop each time: the whole picture.
        'train_dataloader.dataset.pipeline': [
            dict(type='convmae_mm.LoadRGBImage'),
            dict(type='PackInputs'),
        ],
    },
    'mask-rcnn_convmae-tiny_fpn_digit-scenes.py': {
        **ENCODER,
        'model.neck.norm_cfg': norm,
        'model.roi_head.mask_head.norm_cfg': norm,
        # Every image gives two boxes to the mask head, whose loss is a mean
        # over those; each scene has that many.
        'model.train_cfg.rcnn.sampler.pos_fraction': 2 / 32,
    },
    'upernet_convmae-tiny_digit-scenes.py': {
        **ENCODER,
        'model.decode_head.norm_cfg': norm,
        # Class weights would make it a mean weighted by what is in a batch.
        'model.decode_head.loss_decode.class_weight': None,
        'model.data_preprocessor.size': (64, 64),
    },
}


class FirstStep(Hook):
    """Keeps the loss of the first step and how far it moves the encoder."""

    def before_train(self, runner):
        self.before = {k: v.clone() for k, v in self.encoder(runner)}

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        loss = outputs['loss'].detach().clone()
        all_reduce(loss, 'mean')
        moved = {
            name: float((value - self.before[name]).norm())
            for name, value in self.encoder(runner)
        }
        self.result = dict(loss=float(loss), moved=moved)

    @staticmethod
    def encoder(runner):
        model = getattr(runner.model, 'module', runner.model)
        for name, value in model.backbone.named_parameters():
            yield name, value.detach()


draw_masks = ConvMAEPretrain._draw_masks


def draw_masks_by_image(self, images, grid, noise, num_masks):
    """The noise of an image is drawn with its pixels as the seed."""
    rows = []
    for image in images:
        seed = int(image.double().abs().sum() * 1000) % 2**31
        generator = torch.Generator().manual_seed(seed)
        rows.append(torch.rand(grid[0] * grid[1], generator=generator))
    return draw_masks(self, images, grid, torch.stack(rows), num_masks)


def first(self, gallery, num):
    """The first candidates instead of random ones."""
    return gallery[:num]


def step(name, options):
    cfg = apis.training_config(
        find_config(f'quickstart/{name}'),
        work_dir=out.with_suffix(''),
        seed=0,
        launcher=launcher,
        cfg_options=copy.deepcopy(
            {**COMMON, **options, 'experiment_name': name}
        ),
    )
    runner = build_runner(cfg)
    hook = FirstStep()
    runner.register_hook(hook)
    runner.train()
    return hook.result


ConvMAEPretrain._draw_masks = draw_masks_by_image
RandomSampler.random_choice = first
results = {name: step(name, options) for name, options in RUNS.items()}
if int(os.environ.get('RANK', 0)) == 0:
    out.write_text(json.dumps(results))
