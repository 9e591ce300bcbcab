# Pretrain a ConvMAE of one million parameters on DigitScenes; no labels are
# used. Two cores take minutes.
_base_ = [
    '../_base_/models/convmae-base_pretrain.py',
    '../_base_/datasets/digit_scenes_pretrain.py',
    '../_base_/quickstart_runtime.py',
]
default_scope = 'mmpretrain'

model = dict(
    # 25 of 64 patches stay visible: at 0.75, 16 of these large patches show
    # too little of a digit for so short a training.
    mask_ratio=0.6,
    backbone=dict(arch='tiny', img_size=128),
    neck=dict(embed_dims=128, depth=2, num_heads=4),
)

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=1.5e-3,
        betas=(0.9, 0.95),
        weight_decay=0.05,
        fused=True,
    ),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=200),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.0,
        by_epoch=True,
        end=20,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20)
