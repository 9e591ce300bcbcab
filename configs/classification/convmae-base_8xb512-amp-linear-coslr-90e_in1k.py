# Linear probe of ConvMAE-B on ImageNet-1K (published: 70.9 % top-1): only the
# classifier learns. 8 GPUs x 512 pictures, 90 epochs. We take the mean over
# all positions; the released command does so only when told to.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '../_base_/models/convmae-base_classifier.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/default_runtime.py',
]
default_scope = 'mmpretrain'

model = dict(
    backbone=dict(
        frozen_stages=3,
        drop_path_rate=0.0,
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-base_24xb128-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
        ),
    ),
    neck=[
        _base_.model.neck,
        # without weights of its own: only the scales become the same
        dict(type='ClsBatchNormNeck', input_features=768),
    ],
    head=dict(loss=dict(_delete_=True, type='CrossEntropyLoss')),
)
train_dataloader = dict(batch_size=512)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    # bfloat16 has the range of float32: nothing has to be scaled.
    dtype='bfloat16',
    loss_scale=1.0,
    optimizer=dict(
        type='LARS',
        lr=0.1 * 8 * 512 / 256,
        momentum=0.9,
        weight_decay=0.0,
    ),
    paramwise_cfg=dict(
        custom_keys={
            # the norm of the pooled features stays as it is
            'neck.': dict(lr_mult=0.0),
            'head.fc.bias': dict(lars_exclude=True),
        }
    ),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=90)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=10,
        end=train_cfg['max_epochs'],
        convert_to_iter_based=True,
    ),
]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=8 * 512)
