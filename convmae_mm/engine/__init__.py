"""Training machinery: layer-wise decay, hooks and safe checkpoint loading."""

from .cpu_amp_optim_wrapper import CpuAmpOptimWrapper
from .hooks import CheckpointMatchHook, RichProgressHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .pretrained import PretrainedConvMAE
from .serialization import use_safe_loading

# A resume must work, and must be safe, whichever entry point started it.
use_safe_loading()

__all__ = [
    'CheckpointMatchHook',
    'CpuAmpOptimWrapper',
    'LayerDecayOptimWrapperConstructor',
    'PretrainedConvMAE',
    'RichProgressHook',
    'use_safe_loading',
]
