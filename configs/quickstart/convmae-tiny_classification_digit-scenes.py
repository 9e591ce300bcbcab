# Fine-tune a digit classifier from the pretrained tiny ConvMAE.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/convmae-base_classifier.py',
    '../_base_/datasets/digit_scenes_classification.py',
    '../_base_/quickstart_runtime.py',
]
default_scope = 'mmpretrain'

model = dict(
    data_preprocessor=dict(num_classes=10),
    backbone=dict(
        arch='tiny',
        img_size=128,
        drop_path_rate=0.0,
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-tiny_pretrain_digit-scenes/'
            'epoch_20.pth',
        ),
    ),
    neck=dict(in_channels=128),
    head=dict(num_classes=10, in_channels=128),
)

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.9,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=50),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.0,
        by_epoch=True,
        end=10,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
