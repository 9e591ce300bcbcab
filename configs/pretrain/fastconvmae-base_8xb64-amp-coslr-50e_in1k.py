# FastConvMAE-B on ImageNet-1K: four complementary masks of each picture, so
# that every patch is seen in every step. 50 epochs; 51.0 box AP afterwards.
_base_ = ['./convmae-base_24xb128-amp-coslr-1600e_in1k.py']

batch_size = 8 * 64
max_epochs = 50
warmup_epochs = 10

model = dict(num_masks=4)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=6e-4 * batch_size / 256))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup_epochs),
    dict(
        _base_.param_scheduler[1],
        T_max=max_epochs - warmup_epochs,
        begin=warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=batch_size)
