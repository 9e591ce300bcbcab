# Detector 2 of the paper on COCO, as ViTDet: 8 GPUs x 2 pictures, 25 epochs of
# 118,000 pictures, layer-wise decay.
_base_ = ['../default_runtime.py']

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    ),
    constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.8,
        norm_decay_mult=0.0,
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.0),
            # Detectron2 takes its LayerNorm over channels for no norm: in
            # the pyramid and the heads all parameters are decayed.
            'neck.': dict(decay_mult=1.0),
            'roi_head.': dict(decay_mult=1.0),
        },
    ),
)
train_cfg = dict(
    type='IterBasedTrainLoop',
    max_iters=25 * 118_000 // 16,
    val_interval=7_500,
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.001,
        by_epoch=False,
        begin=0,
        end=250,
    ),
    dict(
        type='MultiStepLR',
        milestones=[163_889, 177_546],
        gamma=0.1,
        by_epoch=False,
        begin=0,
        end=train_cfg['max_iters'],
    ),
]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=7_500),
    logger=dict(log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False, base_batch_size=16)
