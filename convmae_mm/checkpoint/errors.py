"""What can be wrong with a checkpoint, by kind."""

from __future__ import annotations

from pickle import UnpicklingError

from convmae_mm.errors import CheckpointError as CheckpointError


class ForeignNetworkError(CheckpointError):
    """The tensors are those of another network."""


class UnmatchedTensorsError(CheckpointError, KeyError):
    """Some tensors are missing, unexpected or wrongly shaped.

    A ``KeyError`` too, as the trouble is with keys.
    """

    # KeyError would show the repr of its message.
    __str__ = Exception.__str__


class UnsafeFileError(CheckpointError, UnpicklingError):
    """The file holds objects that could run code when loaded."""
