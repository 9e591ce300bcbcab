# Mask R-CNN on ConvMAE-B, as released detector 2.
# 8 GPUs with 16 GB x 1 picture, 25 epochs: all stages are recomputed.
_base_ = ['./mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e-24gb_coco.py']

model = dict(backbone=dict(with_cp=True))
