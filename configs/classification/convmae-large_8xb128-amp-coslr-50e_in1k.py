# Fine-tune ConvMAE-L on ImageNet-1K: the recipe of ConvMAE-B with the
# length, layer decay and drop path that MAE gives ViT-L. The authors' own
# for their v2 encoder (86.8 %) is not published.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./convmae-base_8xb128-amp-coslr-100e_in1k.py']

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/convmae-large_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    neck=dict(in_channels=1024),
    head=dict(in_channels=1024),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=50),
]
train_cfg = dict(max_epochs=50)
