# UperNet on ConvMAE-L with a plain stage 3; nothing is published for it.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./upernet_convmae-base_160k_ade20k-512x512.py']

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(
            checkpoint='work_dirs/convmae-large_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    decode_head=dict(in_channels=[384, 768, 1024, 1024]),
    auxiliary_head=dict(in_channels=1024),
)
