# ImageNet-1K as the released fine-tuning augments it: RandAugment 9 / 0.5 and
# random erasing 0.25. Mixup and cutmix are the data preprocessor's.
_base_ = ['./imagenet_224.py']

bgr_mean = [103.53, 116.28, 123.675]
bgr_std = [57.375, 57.12, 58.395]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(
            pad_val=[round(value) for value in bgr_mean],
            interpolation='bicubic',
        ),
    ),
    # Erased pixels are drawn from a normal distribution, as timm's 'pixel'.
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=bgr_mean,
        fill_std=bgr_std,
    ),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
