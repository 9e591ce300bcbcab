# ConvMAE-S under a linear classifier.
_base_ = ['./convmae-base_classifier.py']
model = dict(
    backbone=dict(arch='small'),
    neck=dict(in_channels=384),
    head=dict(in_channels=384),
)
