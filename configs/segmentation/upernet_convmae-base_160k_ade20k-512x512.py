# UperNet on ADE20K from a pretrained ConvMAE-B with the released recipe (51.7
# mIoU): 8 GPUs x 2 pictures, 160,000 iterations. Stage 3 stays global.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/upernet_convmae-base.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade20k_160k_layer-decay_batch-16.py',
]
default_scope = 'mmseg'
