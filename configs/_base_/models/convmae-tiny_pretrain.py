# A ConvMAE of one million parameters that two cores pretrain in minutes.
arch = dict(
    embed_dims=[32, 64, 128],
    depths=[2, 2, 3],
    num_heads=4,
    mlp_ratios=[4, 4, 4],
)
model = dict(
    type='convmae_mm.ConvMAEPretrain',
    # 25 of 64 patches stay visible: at 0.75, 16 of these large patches show
    # too little of a digit for so short a training.
    mask_ratio=0.6,
    backbone=dict(type='convmae_mm.ConvMAE', arch=arch, img_size=128),
    neck=dict(
        type='convmae_mm.ConvMAEPretrainDecoder',
        in_channels=[32, 64, 128],
        img_size=128,
        embed_dims=128,
        depth=2,
        num_heads=4,
        mlp_ratio=4.0,
        out_channels=3,
    ),
    head=dict(
        type='convmae_mm.ConvMAEPretrainHead',
        norm_pix=True,
        patch_size=16,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
)
