# The released pretraining, 800 epochs long.
_base_ = ['./imagenet_pretrain_1600e_batch-3072.py']

max_epochs = 800

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        T_max=max_epochs - _base_.warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
