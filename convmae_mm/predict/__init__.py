"""Predict on files, folders and videos, whole or in tiles."""

from .drawing import draw_label_map, draw_objects
from .objects import Objects
from .run import predict_files
from .sources import find_sources

__all__ = [
    'Objects',
    'draw_label_map',
    'draw_objects',
    'find_sources',
    'predict_files',
]
