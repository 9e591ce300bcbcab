# ConvMAE-H under a linear classifier.
# Drop path as MAE gives ViT-H.
_base_ = ['./convmae-base_classifier.py']
model = dict(
    backbone=dict(arch='huge', drop_path_rate=0.3),
    neck=dict(in_channels=1280),
    head=dict(in_channels=1280),
)
