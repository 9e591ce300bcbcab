# Fine-tune ConvMAE-B on ImageNet-1K: the released recipe, 85.0 % top-1. 8 GPUs
# x 128 pictures, 100 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/convmae-base_classifier.py',
    '../_base_/datasets/imagenet_finetune_224.py',
    '../_base_/schedules/imagenet_100e_layer-decay_batch-1024.py',
]
default_scope = 'mmpretrain'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-base_24xb128-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
        ),
    ),
    train_cfg=dict(
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
