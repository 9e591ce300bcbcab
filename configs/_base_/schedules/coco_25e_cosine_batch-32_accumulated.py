# Detector 1 with 8 GPUs x 1 picture: four iterations make one step, so there
# are four times as many.
_base_ = ['./coco_25e_cosine_batch-32.py']

accumulated = 4
max_iters = accumulated * _base_.max_iters
warmup_iters = accumulated * _base_.warmup_iters

# float16: the compiled RoIAlign of mmcv knows no bfloat16.
optim_wrapper = dict(type='AmpOptimWrapper', accumulative_counts=accumulated)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup_iters),
    dict(
        _base_.param_scheduler[1],
        T_max=max_iters - warmup_iters,
        begin=warmup_iters,
        end=max_iters,
    ),
]
train_cfg = dict(max_iters=max_iters, val_interval=20_000)
default_hooks = dict(checkpoint=dict(interval=20_000))
