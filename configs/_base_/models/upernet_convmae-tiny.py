# UperNet on the tiny ConvMAE, narrow enough for two cores.
arch = dict(
    embed_dims=[32, 64, 128],
    depths=[1, 1, 4],
    num_heads=4,
    mlp_ratios=[4, 4, 4],
)
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='convmae_mm.ConvMAE', arch=arch, img_size=128),
    decode_head=dict(
        type='UPerHead',
        in_channels=[32, 64, 128, 128],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=64,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=128,
        in_index=2,
        channels=64,
        num_convs=1,
        concat_input=False,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
