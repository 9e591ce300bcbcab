# Half as long as the released segmentor's: ours.
_base_ = ['./ade20k_160k_layer-decay_batch-16.py']

max_iters = 80_000

param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters),
]
train_cfg = dict(max_iters=max_iters)
