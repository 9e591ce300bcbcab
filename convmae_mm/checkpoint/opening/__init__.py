"""Open files: what is in them, and what is wrong with them."""

from .files import LoadedFile, load_weights_file, unpack_weights

__all__ = ['LoadedFile', 'load_weights_file', 'unpack_weights']
