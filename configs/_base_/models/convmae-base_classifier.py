# ConvMAE-B under a linear classifier, on the mean of E3; 85.37 M parameters.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        num_classes=1000,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='convmae_mm.ConvMAE',
        arch='base',
        img_size=224,
        out_indices=(2,),
        drop_path_rate=0.1,
    ),
    neck=dict(
        type='convmae_mm.ConvMAEClassifierNeck',
        in_channels=768,
        pooling='mean',
    ),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
    ),
)
