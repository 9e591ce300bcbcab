# UperNet on ConvMAE-L, otherwise as on ConvMAE-B; nothing is published for it.
_base_ = ['./upernet_convmae-base.py']
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
