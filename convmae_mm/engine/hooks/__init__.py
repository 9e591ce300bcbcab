"""Hooks for mmengine's runner."""

from .rich_progress_hook import RichProgressHook

__all__ = ['RichProgressHook']
