# Mask R-CNN with FPN as released detector 1: in stage 3 the blocks that the
# paper gives windows are the global ones.
_base_ = ['./mask-rcnn_convmae-base_fpn.py']
model = dict(backbone=dict(mode='mimdet'))
