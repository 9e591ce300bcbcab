# The scenes of DigitScenes without their labels, for pretraining. No flips: a
# mirrored digit is no digit.
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='convmae_mm.UnlabelledImageFolder',
        data_root='data/digit_scenes/',
        data_prefix=dict(img_path='images/train'),
        pipeline=[
            dict(type='convmae_mm.LoadRGBImage'),
            dict(
                type='RandomResizedCrop',
                scale=128,
                crop_ratio_range=(0.4, 1.0),
                interpolation='bicubic',
            ),
            dict(type='PackInputs'),
        ],
    ),
)
