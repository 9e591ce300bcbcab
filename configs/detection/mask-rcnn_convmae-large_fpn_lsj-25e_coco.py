# Mask R-CNN on ConvMAE-L, in the paper's detection mode.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./mask-rcnn_convmae-base_fpn_lsj-25e_coco.py']

model = dict(
    backbone=dict(
        arch='large',
        # One block in three, as in ConvMAE-B; for 23 blocks nothing is
        # published.
        window_block_indexes=[0, 3, 6, 9, 12, 15, 18, 22],
        # as ViTDet gives ViT-L
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-large_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    neck=dict(in_channels=[384, 768, 1024, 1024]),
)
