# Detector 2, 100 epochs: ours; the rate falls at the same shares of the whole.
_base_ = ['./coco_25e_step_layer-decay_batch-16.py']

max_iters = 4 * _base_.max_iters
milestones = [4 * step for step in _base_.milestones]

param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], milestones=milestones, end=max_iters),
]
train_cfg = dict(max_iters=max_iters)
