# A classifier on the mean of the tiny ConvMAE's last features.
arch = dict(
    embed_dims=[32, 64, 128],
    depths=[2, 2, 3],
    num_heads=4,
    mlp_ratios=[4, 4, 4],
)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='convmae_mm.ConvMAE', arch=arch, img_size=128, out_indices=(2,)
    ),
    neck=dict(type='convmae_mm.ConvMAEClassifierNeck', in_channels=128),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=128,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
    ),
)
