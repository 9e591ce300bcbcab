# What every full-size training shares. The config sets its default_scope.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='convmae_mm.SafeCheckpointHook', interval=1, max_keep_ckpts=3
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # `convmae-mm train` adds these to every config.
    finite=dict(type='convmae_mm.FiniteTrainingHook', max_bad_steps=5),
    match=dict(type='convmae_mm.CheckpointMatchHook', least_share=0.5),
    random_streams=dict(type='convmae_mm.RandomStreamsHook'),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=None)
log_level = 'INFO'
load_from = None
resume = False
