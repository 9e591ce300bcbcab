# UperNet on ConvMAE-L with a plain stage 3. 8 GPUs x 2
# pictures, 160,000 iterations.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/upernet_convmae-large.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade20k_160k_layer-decay_batch-16.py',
]
default_scope = 'mmseg'
