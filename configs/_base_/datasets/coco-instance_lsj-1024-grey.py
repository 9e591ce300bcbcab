# COCO 2017 as released detector 1 saw it. Unlike detector 2, it was trained
# and tested on pictures padded with grey before they were normalised, and in
# training flipped after that.
_base_ = ['./coco-instance_lsj-1024.py']

pad = dict(
    type='Pad', size=_base_.image_size, pad_val=dict(img=(128, 128, 128))
)
train_pipeline = [
    *_base_.train_pipeline[:2],  # load
    *_base_.train_pipeline[3:-1],  # scale, crop, filter
    pad,
    _base_.train_pipeline[2],  # flip
    _base_.train_pipeline[-1],
]
test_pipeline = [
    *_base_.test_pipeline[:2],  # load, scale
    # Only the pixels are padded: img_shape, to which boxes are clipped,
    # stays the size of the picture.
    dict(
        type='KeyMapper',
        mapping=dict(img='img'),
        remapping=dict(img='img'),
        transforms=[pad],
    ),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
