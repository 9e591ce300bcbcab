# Released detector 1 (53.2 box AP): as the paper's, but for stage 3, where
# the blocks that the paper gives windows are the global ones. 8 GPUs x 4
# pictures, 25 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-base_fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024.py',
    '../_base_/schedules/coco_25e_cosine_batch-32.py',
]
default_scope = 'mmdet'

model = dict(
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        mode='mimdet',
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-base_24xb128-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
        ),
    ),
)

# Unlike detector 2, it was trained and tested on pictures padded with grey
# before they were normalised, and in training flipped after that.
image_size = (1024, 1024)
pad = dict(type='Pad', size=image_size, pad_val=dict(img=(128, 128, 128)))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='RandomResize',
        scale=image_size,
        ratio_range=(0.1, 2.0),
        keep_ratio=True,
        backend='pillow',
    ),
    dict(
        type='RandomCrop',
        crop_type='absolute',
        crop_size=image_size,
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    pad,
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_size, keep_ratio=True, backend='pillow'),
    # Only the pixels are padded: img_shape, to which boxes are clipped,
    # stays the size of the picture.
    dict(
        type='KeyMapper',
        mapping=dict(img='img'),
        remapping=dict(img='img'),
        transforms=[pad],
    ),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
