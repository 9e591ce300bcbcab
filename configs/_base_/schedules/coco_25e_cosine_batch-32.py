# Detector 1 of the paper on COCO: 8 GPUs x 4 pictures, 25 epochs of 118,000
# pictures, cosine decay to 0 and no layer-wise decay.
_base_ = ['../default_runtime.py']

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=8e-5, betas=(0.9, 0.999), weight_decay=0.1
    ),
    # No layer-wise decay in this recipe, hence mmengine's own constructor.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.0),
            'rel_pos.table': dict(decay_mult=0.0),
        },
    ),
)
train_cfg = dict(
    type='IterBasedTrainLoop',
    max_iters=25 * 118_000 // 32,
    val_interval=5_000,
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.001,
        by_epoch=False,
        begin=0,
        end=460,  # 0.5 %, and no more in the longer trainings
    ),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=460,
        end=train_cfg['max_iters'],
    ),
]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5_000),
    logger=dict(log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False, base_batch_size=32)
