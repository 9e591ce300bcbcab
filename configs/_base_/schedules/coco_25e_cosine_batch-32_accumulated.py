# Detector 1 with 8 GPUs x 1 picture: four iterations make one step, so there
# are four times as many.
_base_ = ['./coco_25e_cosine_batch-32.py']

# float16: the compiled RoIAlign of mmcv knows no bfloat16.
optim_wrapper = dict(type='AmpOptimWrapper', accumulative_counts=4)
train_cfg = dict(max_iters=4 * _base_.train_cfg.max_iters, val_interval=20_000)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=4 * _base_.param_scheduler[0].end),
    dict(
        _base_.param_scheduler[1],
        begin=4 * _base_.param_scheduler[1].begin,
        end=4 * _base_.param_scheduler[1].end,
    ),
]
default_hooks = dict(checkpoint=dict(interval=20_000))
