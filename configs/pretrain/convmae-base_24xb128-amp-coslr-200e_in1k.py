# Pretrain ConvMAE-B on ImageNet-1K, 200 epochs. Fewer GPUs: --auto-scale-lr.
_base_ = ['./convmae-base_24xb128-amp-coslr-1600e_in1k.py']

param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=200),
]
train_cfg = dict(max_epochs=200)
