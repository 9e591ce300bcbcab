# Fine-tune ConvMAE-H on ImageNet-1K as ConvMAE-L, with the drop path that MAE
# gives ViT-H. The authors' own recipe for their v2 encoder (88.0 %) is not
# published.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./convmae-large_8xb128-amp-coslr-50e_in1k.py']

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-huge_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    neck=dict(in_channels=1280),
    head=dict(in_channels=1280),
)
