# Fine-tune ConvMAE-S on ImageNet-1K by the released recipe of ConvMAE-B. The
# authors' own for their v2 encoder (83.6 %) is not published.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./convmae-base_8xb128-amp-coslr-100e_in1k.py']

model = dict(
    backbone=dict(
        arch='small',
        init_cfg=dict(
            checkpoint='work_dirs/convmae-small_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    neck=dict(in_channels=384),
    head=dict(in_channels=384),
)
