# Detector 1, 100 epochs: released too; the warm-up does not get longer.
_base_ = ['./coco_25e_cosine_batch-32.py']

max_iters = 100 * 118_000 // _base_.batch_size

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        T_max=max_iters - _base_.warmup_iters,
        end=max_iters,
    ),
]
train_cfg = dict(max_iters=max_iters)
