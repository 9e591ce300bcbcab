# Mask R-CNN on ConvMAE-L, as released detector 2.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco.py']

model = dict(
    backbone=dict(
        arch='large',
        # A global block at the end of each quarter, as in ConvMAE-B; for 23
        # blocks nothing is published.
        window_block_indexes=[
            index for index in range(23) if index not in (4, 10, 16, 22)
        ],
        # as ViTDet gives ViT-L
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-large_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    neck=dict(in_channels=1024),
)
