# The scenes of DigitScenes without their labels, for pretraining.
data_root = 'data/digit_scenes/'
img_size = 128

data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
# No flips: a mirrored digit is no digit.
train_pipeline = [
    dict(type='convmae_mm.LoadRGBImage'),
    dict(
        type='RandomResizedCrop',
        scale=img_size,
        crop_ratio_range=(0.4, 1.0),
        interpolation='bicubic',
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='convmae_mm.UnlabelledImageFolder',
        data_root=data_root,
        data_prefix=dict(img_path='images/train'),
        pipeline=train_pipeline,
    ),
)
