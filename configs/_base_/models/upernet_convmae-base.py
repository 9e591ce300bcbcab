# UperNet on E1 to E4 of ConvMAE-B with an auxiliary FCN head on E3.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 512),
    ),
    backbone=dict(
        type='convmae_mm.ConvMAE',
        arch='base',
        img_size=512,
        drop_path_rate=0.2,
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE',
            checkpoint='work_dirs/convmae-base_24xb128-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
        ),
    ),
    decode_head=dict(
        type='UPerHead',
        in_channels=[256, 384, 768, 768],
        in_index=[0, 1, 2, 3],
        # The 1x1 pool leaves BatchNorm one value per image and channel, so
        # a GPU (with SyncBN: all of them together) needs two images.
        pool_scales=(1, 2, 3, 6),
        channels=768,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=dict(type='SyncBN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=768,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=dict(type='SyncBN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)
