# Mask R-CNN on ConvMAE-B, in the paper's detection mode.
# 8 GPUs x 1 pictures with 24 GB, 25 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-base_fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024.py',
    '../_base_/schedules/coco_25e_cosine_batch-32_accumulated.py',
]
default_scope = 'mmdet'

model = dict(backbone=dict(with_cp=True))
train_dataloader = dict(batch_size=1)
