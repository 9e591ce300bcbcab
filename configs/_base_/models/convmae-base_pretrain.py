# ConvMAE-B under the masked autoencoder's decoder; 115.04 M parameters.
model = dict(
    type='convmae_mm.ConvMAEPretrain',
    mask_ratio=0.75,
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(type='convmae_mm.ConvMAE', arch='base', img_size=224),
    # widths and sizes are the backbone's
    neck=dict(
        type='convmae_mm.ConvMAEPretrainDecoder',
        embed_dims=512,
        depth=8,
        num_heads=16,
        mlp_ratio=4.0,
    ),
    head=dict(
        type='convmae_mm.ConvMAEPretrainHead',
        norm_pix=True,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
)
