# UperNet on ConvMAE-B in the mode of the released segmentor. 8 GPUs x 2
# pictures, 80,000 iterations.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/upernet_convmae-base.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade20k_80k_layer-decay_batch-16.py',
]
default_scope = 'mmseg'

model = dict(backbone=dict(mode='seg'))
