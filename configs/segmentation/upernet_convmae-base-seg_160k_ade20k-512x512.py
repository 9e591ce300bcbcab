# Released segmentor (51.7 mIoU): UperNet on a stage 3 with a table of relative
# positions and LayerScale in each block, and a convolution for E4. 8 GPUs x 2
# pictures, 160,000 iterations.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/upernet_convmae-base.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade20k_160k_layer-decay_batch-16.py',
]
default_scope = 'mmseg'

model = dict(backbone=dict(mode='seg'))
