# Cascade Mask R-CNN with FPN on the encoder of released detector 1.
_base_ = ['./cascade-mask-rcnn_convmae-base_fpn.py']
model = dict(backbone=dict(mode='mimdet'))
