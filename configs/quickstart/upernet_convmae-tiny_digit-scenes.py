# Fine-tune UperNet on DigitScenes from the pretrained tiny ConvMAE.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/upernet_convmae-base.py',
    '../_base_/datasets/digit_scenes_segmentation.py',
    '../_base_/quickstart_runtime.py',
]
default_scope = 'mmseg'

model = dict(
    # test_cfg: whole pictures of other sizes are padded, not stretched
    data_preprocessor=dict(size=(128, 128), test_cfg=dict(size_divisor=32)),
    backbone=dict(
        arch='tiny',
        img_size=128,
        drop_path_rate=0.0,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-tiny_pretrain_digit-scenes/'
            'epoch_20.pth',
        ),
    ),
    # For a training of minutes: no dropout, no auxiliary head, a classifier
    # that starts larger, and background, most of every scene, that counts
    # half. Otherwise hundreds of iterations pass before it names a digit.
    decode_head=dict(
        in_channels=[32, 64, 128, 128],
        channels=48,
        dropout_ratio=0.0,
        num_classes=11,
        norm_cfg=dict(type='BN'),
        loss_decode=dict(class_weight=[0.5] + 10 * [1.0]),
        init_cfg=dict(type='Normal', std=0.05, override=dict(name='conv_seg')),
    ),
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode='whole'),
)

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=20),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.0,
        by_epoch=True,
        end=6,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
