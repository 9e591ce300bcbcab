# Mask R-CNN on ConvMAE-L, as released detector 2.
# 8 GPUs x 2 pictures, 25 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-large_simple-fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024.py',
    '../_base_/schedules/coco_25e_step_layer-decay_batch-16.py',
]
default_scope = 'mmdet'

train_dataloader = dict(batch_size=2)
