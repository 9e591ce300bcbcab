# Pretrain ConvMAE-B on ImageNet-1K: the released recipe, 85.0 % top-1 after
# fine-tuning. Fewer GPUs: --auto-scale-lr. Another folder of pictures:
# --cfg-options train_dataloader.dataset.data_root=FOLDER
_base_ = [
    '../_base_/models/convmae-base_pretrain.py',
    '../_base_/datasets/imagenet_pretrain_224.py',
    '../_base_/schedules/imagenet_pretrain_1600e_batch-3072.py',
]
default_scope = 'mmpretrain'
