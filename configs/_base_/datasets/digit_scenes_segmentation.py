# DigitScenes with its label maps, in the form of ADE20K: 0 is unlabelled and
# left out of the score, 1 the background, 2 to 11 the digits. No flips: a
# mirrored digit is no digit.
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        data_root='data/digit_scenes/',
        data_prefix=dict(
            img_path='images/train', seg_map_path='label_maps/train'
        ),
        metainfo=dict(
            classes=(
                'background',
                'zero',
                'one',
                'two',
                'three',
                'four',
                'five',
                'six',
                'seven',
                'eight',
                'nine',
            ),
            palette=[
                [60, 60, 60],
                [230, 25, 75],
                [60, 180, 75],
                [255, 225, 25],
                [0, 130, 200],
                [245, 130, 48],
                [145, 30, 180],
                [70, 240, 240],
                [240, 50, 230],
                [210, 245, 60],
                [250, 190, 212],
            ],
        ),
        reduce_zero_label=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root=train_dataloader['dataset']['data_root'],
        data_prefix=dict(img_path='images/val', seg_map_path='label_maps/val'),
        metainfo=train_dataloader['dataset']['metainfo'],
        reduce_zero_label=True,
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
# What mmseg.apis.inference_model reads; nothing else does.
test_pipeline = val_dataloader['dataset']['pipeline']
visualizer = dict(
    type='SegLocalVisualizer',
    name='visualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)
