# ConvMAE-L under the same decoder as ConvMAE-B.
_base_ = ['./convmae-base_pretrain.py']
model = dict(
    backbone=dict(arch='large'),
    neck=dict(in_channels=[384, 768, 1024]),
)
