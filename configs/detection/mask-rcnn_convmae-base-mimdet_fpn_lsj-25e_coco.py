# Released detector 1 (53.2 box AP): as the paper's, but for stage 3, where
# the blocks that the paper gives windows are the global ones. 8 GPUs x 4
# pictures, 25 epochs.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_convmae-base_fpn.py',
    '../_base_/datasets/coco-instance_lsj-1024-grey.py',
    '../_base_/schedules/coco_25e_cosine_batch-32.py',
]
default_scope = 'mmdet'

model = dict(backbone=dict(mode='mimdet'))
