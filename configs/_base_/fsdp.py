# Shards parameters, gradients and optimiser states over the GPUs, for large
# and huge encoders. For a config of yours:
#     _base_ = ['THE_RECIPE.py', 'convmae_mm::_base_/fsdp.py']
#     optim_wrapper = dict(paramwise_cfg=dict(flat_decay_mult=1.0))
# Tried with one process on a CPU, not on GPUs: see docs/training.md.
runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel',
        auto_wrap_policy='convmae_mm.engine.fsdp.wrap_transformer_blocks',
        # The groups of the optimiser are made by the names of parameters.
        use_orig_params=True,
    ),
    # One file on rank 0, as every other training writes.
    state_dict_cfg='full',
)
