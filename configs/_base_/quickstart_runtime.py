# What the quick-start trainings share beyond every training.
_base_ = ['./default_runtime.py']

default_hooks = dict(
    logger=dict(interval=10),
    # Two are kept, so that one is whole even if the run dies while saving.
    checkpoint=dict(max_keep_ckpts=2),
)
custom_hooks = [dict(type='convmae_mm.RichProgressHook')]
randomness = dict(seed=0)
