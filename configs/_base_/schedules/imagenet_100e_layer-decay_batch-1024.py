# The released fine-tuning: 8 GPUs x 128 pictures, 100 epochs, layer-wise
# decay.
_base_ = ['../default_runtime.py']

optim_wrapper = dict(
    type='AmpOptimWrapper',
    # bfloat16 has the range of float32: nothing has to be scaled.
    dtype='bfloat16',
    loss_scale=1.0,
    optimizer=dict(
        type='AdamW',
        lr=5e-4 * 8 * 128 / 256,
        betas=(0.9, 0.999),
        weight_decay=0.05,
    ),
    constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.65,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={'backbone.pos_embed': dict(decay_mult=0.0)},
    ),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        # down to 1e-6, and to less in layers that learn at less
        eta_min_ratio=1e-6 / optim_wrapper['optimizer']['lr'],
        by_epoch=True,
        begin=5,
        end=train_cfg['max_epochs'],
        convert_to_iter_based=True,
    ),
]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=8 * 128)
