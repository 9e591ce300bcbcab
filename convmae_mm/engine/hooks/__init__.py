"""Hooks for mmengine's runner."""

from .checkpoint_match_hook import CheckpointMatchHook
from .finite_training_hook import FiniteTrainingHook
from .random_streams_hook import RandomStreamsHook
from .reconstruction_hook import ReconstructionHook
from .rich_progress_hook import RichProgressHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'CheckpointMatchHook',
    'FiniteTrainingHook',
    'RandomStreamsHook',
    'ReconstructionHook',
    'RichProgressHook',
    'SafeCheckpointHook',
]
