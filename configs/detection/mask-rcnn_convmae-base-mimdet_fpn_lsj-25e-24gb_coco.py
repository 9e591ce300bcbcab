# Mask R-CNN on ConvMAE-B, as released detector 1.
# 8 GPUs with 24 GB x 1 picture, 25 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-base_fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024-grey.py',
    '../_base_/schedules/coco_25e_cosine_batch-32_accumulated.py',
]
default_scope = 'mmdet'

# Stages 1 and 2 hold most of the memory and a third of the work.
model = dict(backbone=dict(mode='mimdet', with_cp=(1, 2)))
train_dataloader = dict(batch_size=1)
