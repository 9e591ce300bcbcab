# UperNet on the tiny ConvMAE, narrow enough for two cores.
arch = dict(
    embed_dims=[32, 64, 128],
    depths=[2, 2, 3],
    num_heads=4,
    mlp_ratios=[4, 4, 4],
)
norm_cfg = dict(type='BN')
num_classes = 11
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='convmae_mm.ConvMAE', arch=arch, img_size=128),
    # For a training of minutes: no dropout, no auxiliary head, a classifier
    # that starts larger, and background, most of every scene, that counts
    # half. Otherwise hundreds of iterations pass before it names a digit.
    decode_head=dict(
        type='UPerHead',
        in_channels=[32, 64, 128, 128],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=48,
        dropout_ratio=0.0,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(
            type='CrossEntropyLoss',
            class_weight=[0.5] + [1.0] * (num_classes - 1),
        ),
        init_cfg=dict(type='Normal', std=0.05, override=dict(name='conv_seg')),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
