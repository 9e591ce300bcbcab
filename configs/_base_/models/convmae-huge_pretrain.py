# ConvMAE-H under the same decoder as ConvMAE-B.
_base_ = ['./convmae-base_pretrain.py']
model = dict(
    backbone=dict(arch='huge'),
    neck=dict(in_channels=[768, 1024, 1280]),
)
