"""What can be wrong with a checkpoint, by kind."""

from __future__ import annotations

from pickle import UnpicklingError


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why, and a way out.

    Every error of this package is one, except for a file that does not
    exist, which is a ``FileNotFoundError``.
    """


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
