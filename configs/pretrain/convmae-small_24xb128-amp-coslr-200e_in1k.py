# Pretrain ConvMAE-S on ImageNet-1K, 200 epochs. Fewer GPUs: --auto-scale-lr.
_base_ = ['./convmae-base_24xb128-amp-coslr-200e_in1k.py']

model = dict(backbone=dict(arch='small'))
