"""Training machinery: layer-wise decay, hooks, safe loading and saving."""

from .atomic_files import use_atomic_saving
from .cpu_amp_optim_wrapper import CpuAmpOptimWrapper
from .finite import NotFiniteError
from .hooks import (
    CheckpointMatchHook,
    FiniteTrainingHook,
    RandomStreamsHook,
    RichProgressHook,
    SafeCheckpointHook,
)
from .layer_decay import LayerDecayOptimWrapperConstructor, use_own_decay
from .pretrained import PretrainedConvMAE
from .serialization import use_safe_loading

# A resume must work, and must be safe, whichever entry point started it.
use_safe_loading()
use_atomic_saving()
# So must a decay that a config of mmseg or mmdet names.
use_own_decay()

__all__ = [
    'CheckpointMatchHook',
    'CpuAmpOptimWrapper',
    'FiniteTrainingHook',
    'LayerDecayOptimWrapperConstructor',
    'NotFiniteError',
    'PretrainedConvMAE',
    'RandomStreamsHook',
    'RichProgressHook',
    'SafeCheckpointHook',
    'use_atomic_saving',
    'use_own_decay',
    'use_safe_loading',
]
