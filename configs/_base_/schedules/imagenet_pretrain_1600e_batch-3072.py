# The released pretraining: 24 GPUs x 128 pictures, 1600 epochs, cosine decay.
_base_ = ['../default_runtime.py']

optim_wrapper = dict(
    type='AmpOptimWrapper',
    # bfloat16 has the range of float32: nothing has to be scaled.
    dtype='bfloat16',
    loss_scale=1.0,
    optimizer=dict(
        type='AdamW',
        lr=1.5e-4 * 24 * 128 / 256,
        betas=(0.9, 0.95),
        weight_decay=0.05,
    ),
    # One-dimensional parameters and biases do not decay; the mask token does.
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0
    ),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1600)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=40,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=40,
        end=train_cfg['max_epochs'],
        convert_to_iter_based=True,
    ),
]
default_hooks = dict(checkpoint=dict(interval=20))
auto_scale_lr = dict(enable=False, base_batch_size=24 * 128)
