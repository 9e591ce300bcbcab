"""Hooks for mmengine's runner."""

from .checkpoint_match_hook import CheckpointMatchHook
from .rich_progress_hook import RichProgressHook

__all__ = ['CheckpointMatchHook', 'RichProgressHook']
