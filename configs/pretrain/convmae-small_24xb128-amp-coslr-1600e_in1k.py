# Pretrain ConvMAE-S on ImageNet-1K, 1600 epochs. Fewer GPUs: --auto-scale-lr.
_base_ = [
    '../_base_/models/convmae-small_pretrain.py',
    '../_base_/datasets/imagenet_pretrain_224.py',
    '../_base_/schedules/imagenet_pretrain_1600e_batch-3072.py',
]
default_scope = 'mmpretrain'
