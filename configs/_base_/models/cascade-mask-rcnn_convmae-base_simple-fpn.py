# Cascade Mask R-CNN with the simple pyramid and the norms of detector 2.
_base_ = ['./cascade-mask-rcnn_convmae-base_fpn.py']
norm_cfg = dict(type='convmae_mm.LN2d', eps=1e-6)
model = dict(
    backbone=dict(mode='vitdet', pretrain_img_size=224),
    neck=dict(
        _delete_=True,
        type='convmae_mm.SimpleFPN',
        in_channels=768,
        out_channels=256,
        num_outs=5,
    ),
    roi_head=dict(
        bbox_head=[
            dict(head, norm_cfg=norm_cfg)
            for head in _base_.model.roi_head.bbox_head
        ],
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
