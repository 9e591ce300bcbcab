# COCO 2017 as released detector 1 saw it. Unlike detector 2, it was trained
# and tested on pictures padded with grey before they were normalised, and in
# training flipped after that.
_base_ = ['./coco-instance_lsj-1024.py']

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.train_dataloader.dataset.pipeline[:2],  # load
            # scale, crop, filter
            *_base_.train_dataloader.dataset.pipeline[3:-1],
            dict(
                type='Pad',
                size=(1024, 1024),
                pad_val=dict(img=(128, 128, 128)),
            ),
            _base_.train_dataloader.dataset.pipeline[2],  # flip
            _base_.train_dataloader.dataset.pipeline[-1],
        ]
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.val_dataloader.dataset.pipeline[:2],  # load, scale
            # Only the pixels are padded: img_shape, to which boxes are
            # clipped, stays the size of the picture.
            dict(
                type='KeyMapper',
                mapping=dict(img='img'),
                remapping=dict(img='img'),
                transforms=[train_dataloader['dataset']['pipeline'][-3]],
            ),
            *_base_.val_dataloader.dataset.pipeline[2:],
        ]
    )
)
test_dataloader = val_dataloader
