# Mask R-CNN on ConvMAE-B, in the paper's detection mode.
# 8 GPUs with 16 GB x 1 picture, 25 epochs: all stages are recomputed.
_base_ = ['./mask-rcnn_convmae-base_fpn_lsj-25e-24gb_coco.py']

model = dict(backbone=dict(with_cp=True))
