# Detector 2 with 8 GPUs x 1 picture: two iterations make one step, so there
# are twice as many.
_base_ = ['./coco_25e_step_layer-decay_batch-16.py']

accumulated = 2
max_iters = accumulated * _base_.max_iters
warmup_iters = accumulated * _base_.warmup_iters
milestones = [accumulated * step for step in _base_.milestones]

# float16: the compiled RoIAlign of mmcv knows no bfloat16.
optim_wrapper = dict(type='AmpOptimWrapper', accumulative_counts=accumulated)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup_iters),
    dict(_base_.param_scheduler[1], milestones=milestones, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=15_000)
default_hooks = dict(checkpoint=dict(interval=15_000))
