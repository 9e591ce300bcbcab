# Pictures without labels. For your own, set
# train_dataloader.dataset.data_root; folders may be nested.
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(
        type='convmae_mm.UnlabelledImageFolder',
        data_root='data/imagenet/train/',
        pipeline=[
            dict(type='convmae_mm.LoadRGBImage'),
            dict(
                type='convmae_mm.RandomResizedCrop',
                scale=224,
                crop_ratio_range=(0.2, 1.0),
            ),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    ),
)
