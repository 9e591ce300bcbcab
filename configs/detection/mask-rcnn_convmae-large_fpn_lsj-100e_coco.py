# Mask R-CNN on ConvMAE-L, in the paper's detection mode.
# 8 GPUs x 4 pictures, 100 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-large_fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024.py',
    '../_base_/schedules/coco_100e_cosine_batch-32.py',
]
default_scope = 'mmdet'
