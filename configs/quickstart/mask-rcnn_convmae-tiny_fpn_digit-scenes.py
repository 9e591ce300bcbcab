# Fine-tune Mask R-CNN on DigitScenes from the pretrained tiny ConvMAE.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-base_fpn.py',
    '../_base_/datasets/digit_scenes_detection.py',
    '../_base_/quickstart_runtime.py',
]
default_scope = 'mmdet'

model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(
        arch='tiny',
        # The default, blocks 0, 3, 6 and 10, is for eleven blocks.
        window_block_indexes=(0, 2),
        img_size=128,
        drop_path_rate=0.0,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-tiny_pretrain_digit-scenes/'
            'epoch_20.pth',
        ),
    ),
    neck=dict(
        in_channels=[32, 64, 128, 128],
        out_channels=64,
        num_outs=4,
        norm_cfg=dict(type='BN'),
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        num_convs=1,
        # Digits are 16 to 64 pixels high and higher than wide.
        anchor_generator=dict(
            scales=[5], ratios=[1.0, 1.6], strides=[4, 8, 16, 32]
        ),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            roi_layer=dict(sampling_ratio=1), out_channels=64
        ),
        bbox_head=dict(
            _delete_=True,
            type='Shared2FCBBoxHead',
            in_channels=64,
            fc_out_channels=256,
            roi_feat_size=7,
            num_classes=10,
            bbox_coder=_base_.model.roi_head.bbox_head.bbox_coder,
            reg_class_agnostic=True,
            loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='L1Loss'),
        ),
        mask_roi_extractor=dict(
            roi_layer=dict(sampling_ratio=1), out_channels=64
        ),
        mask_head=dict(
            num_convs=2, in_channels=64, conv_out_channels=32, num_classes=10
        ),
    ),
    train_cfg=dict(
        rpn=dict(assigner=dict(min_pos_iou=0.3), sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(
            assigner=dict(match_low_quality=True),
            sampler=dict(num=32, pos_fraction=0.5),
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=20)
    ),
)

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.05, fused=True),
    constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.9,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=100),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.0,
        by_epoch=True,
        end=2,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
