# Fine-tune ConvMAE-S on ImageNet-1K by the released recipe of ConvMAE-B. The
# authors' own for their v2 encoder (83.6 %) is not published.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/convmae-small_classifier.py',
    '../_base_/datasets/imagenet_finetune_224.py',
    '../_base_/schedules/imagenet_100e_layer-decay_batch-1024.py',
]
default_scope = 'mmpretrain'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-small_24xb128-amp-coslr-200e_in1k/'
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
