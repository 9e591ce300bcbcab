# Pretrain on with pictures of your own, from released weights or from ours:
# advised for a few thousand pictures, too few to start from nothing. Encoder
# and decoder both go on. A recipe of ours, not a published one.
#   --cfg-options train_dataloader.dataset.data_root=FOLDER
#     model.init_cfg.checkpoint=FILE
_base_ = ['./convmae-base_24xb128-amp-coslr-1600e_in1k.py']

model = dict(
    init_cfg=dict(
        type='convmae_mm.PretrainedConvMAE',
        checkpoint='work_dirs/convmae-base_24xb128-amp-coslr-1600e_in1k/'
        'epoch_1600.pth',
    ),
)
# Photos of megapixels are decoded at a half or a quarter, never so small that
# a crop would have to be enlarged.
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        data_root='data/own_images/',
        pipeline=[
            dict(_base_.train_dataloader.dataset.pipeline[0], min_side=579),
            *_base_.train_dataloader.dataset.pipeline[1:],
        ],
    ),
)
# Half the base rate: the weights have arrived somewhere already.
optim_wrapper = dict(optimizer=dict(lr=0.75e-4 * 64 / 256))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=5),
    dict(_base_.param_scheduler[1], begin=5, end=100),
]
train_cfg = dict(max_epochs=100)
auto_scale_lr = dict(base_batch_size=64)
