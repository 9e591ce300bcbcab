# Mask R-CNN with the simple feature pyramid on E3 of ConvMAE-B: as ViTDet,
# LayerNorm over the channels in the pyramid and in the heads.
_base_ = ['./mask-rcnn_convmae-base_fpn.py']
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
        bbox_head=dict(norm_cfg=dict(type='convmae_mm.LN2d', eps=1e-6)),
        mask_head=dict(norm_cfg=dict(type='convmae_mm.LN2d', eps=1e-6)),
    ),
)
