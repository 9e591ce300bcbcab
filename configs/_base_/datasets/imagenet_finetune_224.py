# ImageNet-1K as the released fine-tuning augments it: RandAugment 9 / 0.5 and
# random erasing 0.25. Mixup and cutmix are the data preprocessor's.
_base_ = ['./imagenet_224.py']

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.train_dataloader.dataset.pipeline[:-1],
            dict(
                type='RandAugment',
                policies='timm_increasing',
                num_policies=2,
                total_level=10,
                magnitude_level=9,
                magnitude_std=0.5,
                # the mean, as whole numbers
                hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
            ),
            # Erased pixels are drawn from a normal distribution, as timm's
            # 'pixel'. In the order of the channels here, BGR.
            dict(
                type='RandomErasing',
                erase_prob=0.25,
                mode='rand',
                min_area_ratio=0.02,
                max_area_ratio=1 / 3,
                fill_color=[103.53, 116.28, 123.675],
                fill_std=[57.375, 57.12, 58.395],
            ),
            _base_.train_dataloader.dataset.pipeline[-1],
        ]
    )
)
