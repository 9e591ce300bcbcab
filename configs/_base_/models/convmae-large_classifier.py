# ConvMAE-L under a linear classifier.
# Drop path as MAE gives ViT-L.
_base_ = ['./convmae-base_classifier.py']
model = dict(
    backbone=dict(arch='large', drop_path_rate=0.2),
    neck=dict(in_channels=1024),
    head=dict(in_channels=1024),
)
