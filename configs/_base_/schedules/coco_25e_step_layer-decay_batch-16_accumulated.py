# Detector 2 with 8 GPUs x 1 picture: two iterations make one step, so there
# are twice as many.
_base_ = ['./coco_25e_step_layer-decay_batch-16.py']

# float16: the compiled RoIAlign of mmcv knows no bfloat16.
optim_wrapper = dict(type='AmpOptimWrapper', accumulative_counts=2)
train_cfg = dict(max_iters=2 * _base_.train_cfg.max_iters, val_interval=15_000)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=2 * _base_.param_scheduler[0].end),
    dict(
        _base_.param_scheduler[1],
        milestones=[2 * step for step in _base_.param_scheduler[1].milestones],
        end=2 * _base_.param_scheduler[1].end,
    ),
]
default_hooks = dict(checkpoint=dict(interval=15_000))
