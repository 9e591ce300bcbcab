# For large and huge encoders, as MAE trains ViT-L and ViT-H: half as long and
# with less decay over the more layers.
_base_ = ['./imagenet_100e_layer-decay_batch-1024.py']

max_epochs = 50

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        T_max=max_epochs - _base_.warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
