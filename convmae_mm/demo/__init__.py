"""From nothing to a trained detector and segmentor, and a report on them."""

from .run import run_demo

__all__ = ['run_demo']
