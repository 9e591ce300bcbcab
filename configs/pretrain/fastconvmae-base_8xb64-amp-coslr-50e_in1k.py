# FastConvMAE-B on ImageNet-1K: four complementary masks of each picture, so
# that every patch is seen in every step. 50 epochs; 51.0 box AP afterwards.
_base_ = ['./convmae-base_24xb128-amp-coslr-1600e_in1k.py']

model = dict(num_masks=4)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=6e-4 * 8 * 64 / 256))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=10),
    dict(_base_.param_scheduler[1], begin=10, end=50),
]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=8 * 64)
