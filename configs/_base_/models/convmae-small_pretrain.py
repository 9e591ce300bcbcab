# ConvMAE-S under the same decoder as ConvMAE-B.
_base_ = ['./convmae-base_pretrain.py']
model = dict(
    backbone=dict(arch='small'),
    neck=dict(in_channels=[128, 256, 384]),
)
