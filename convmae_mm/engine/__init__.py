"""Training machinery: layer-wise decay, hooks and safe checkpoint loading."""

from .hooks import RichProgressHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .serialization import use_safe_loading

# A resume must work, and must be safe, whichever entry point started it.
use_safe_loading()

__all__ = [
    'LayerDecayOptimWrapperConstructor',
    'RichProgressHook',
    'use_safe_loading',
]
