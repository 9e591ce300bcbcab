# Fine-tune ConvMAE-L on ImageNet-1K: the recipe of ConvMAE-B with the
# length, layer decay and drop path that MAE gives ViT-L. The authors' own
# for their v2 encoder (86.8 %) is not published.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/convmae-large_classifier.py',
    '../_base_/datasets/imagenet_finetune_224.py',
    '../_base_/schedules/imagenet_50e_layer-decay_batch-1024.py',
]
default_scope = 'mmpretrain'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-large_24xb128-amp-coslr-200e_in1k/'
            'epoch_200.pth',
        ),
    ),
    train_cfg=dict(
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
