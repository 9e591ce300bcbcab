"""Checkpoints load without running code that is hidden in them.

mmengine writes more than tensors into a checkpoint: message histories and
NumPy scalars. ``torch.load(weights_only=True)`` refuses those unless they are
allowed by name. The frozen mmengine therefore cannot resume on torch >= 2.6
at all, and the maintained one falls back to an unsafe load for any file it
does not understand. :func:`use_safe_loading` mends both.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path, PosixPath, PurePosixPath
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from convmae_mm.checkpoint import UnsafeFileError
from convmae_mm.checkpoint.containers import read_container
from convmae_mm.checkpoint.downloads import resolve

# Scalar types a history or a best score may have; each NumPy dtype is an
# instance of a class of its own.
NUMPY_DTYPES = (
    *('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16'),
    *('uint32', 'uint64', 'float16', 'float32', 'float64', 'U1', 'M8[s]'),
)
HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')


def load_from_local(
    filename: str,
    map_location: str | torch.device | Callable[..., Any] | None = None,
) -> Any:
    """Load a checkpoint file; mmengine's loader for local paths.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeFileError: If the file holds anything that is not known to be
            harmless. It is never loaded regardless.
        CheckpointError: If it is empty, cut off, damaged or no checkpoint.
    """
    path = Path(filename).expanduser()
    return read_container(path, map_location)[1]


def load_from_http(
    filename: str,
    map_location: str | torch.device | Callable[..., Any] | None = None,
    **_kept_elsewhere: Any,
) -> Any:
    """Load a checkpoint from a URL; mmengine's loader for http and https.

    Raises:
        CheckpointError: If the download fails, of which nothing is left
            then, and for everything that is wrong with the file.
    """
    return load_from_local(str(resolve(filename)), map_location)


class _SafeTorch:
    """torch, as mmengine's module for checkpoints sees it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(file: Any, map_location: Any = None, **_unsafe: Any) -> Any:
        """``torch.load`` of a path or buffer that never runs code."""
        if isinstance(file, (str, Path)):
            return load_from_local(str(file), map_location)
        try:
            return torch.load(
                file, map_location=map_location, weights_only=True
            )
        except UnpicklingError as error:
            raise UnsafeFileError(
                'the checkpoint holds objects that could run code when '
                'loaded, so it is not loaded; have it saved again with '
                'tensors only'
            ) from error


def use_safe_loading() -> None:
    """Let torch know the safe types and mmengine the safe loaders.

    Every scheme of mmengine (``open-mmlab://``, ``s3://``, ``pavi://`` and
    so on) ends in the ``torch.load`` or the download of one module, which
    are replaced there. All of it is process-wide and may be repeated.
    """
    torch.serialization.add_safe_globals(list(SAFE_GLOBALS))
    module: Any = mmengine_checkpoint
    module.torch = _SafeTorch()
    # The maintained line's own way allows `getattr` meanwhile, and takes the
    # safe types away afterwards.
    module._safe_torch_load = _SafeTorch.load
    module.load_from_http = load_from_http
    module.load_url = load_from_http
    register = CheckpointLoader.register_scheme
    # The empty prefix is mmengine's entry for everything without a scheme.
    register('', load_from_local, force=True)
    register(('http://', 'https://', 'file://'), load_from_http, force=True)


def _history_statistic(owner: type, name: str) -> Callable[..., Any]:
    """What ``getattr`` may do in a checkpoint: name a history's statistic.

    A pickled history names its methods by ``getattr``. Allowing the real one
    would hand every attribute of every allowed type to the file.
    """
    if owner is not HistoryBuffer or name not in HISTORY_STATISTICS:
        raise UnpicklingError(f'attribute {name!r} of {owner!r} is refused')
    statistic: Callable[..., Any] = getattr(HistoryBuffer, name)
    return statistic


def _known_as(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` under the dotted name by which a checkpoint asks for it.

    torch finds an allowed function by these attributes, older ones by
    ``__name__``; naming a function for torch itself needs torch >= 2.6.
    """

    def known(*args: Any) -> Any:
        return function(*args)

    known.__module__, _, known.__name__ = path.rpartition('.')
    known.__qualname__ = known.__name__
    return known


def _safe_globals() -> list[Any]:
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(name)) for name in NUMPY_DTYPES}
    return [
        HistoryBuffer,
        # the authors' codes store their command line
        Namespace,
        # what a `metainfo`, and hooks of the user's, put into a checkpoint
        ConfigDict,
        PosixPath,
        PurePosixPath,
        date,
        datetime,
        timedelta,
        timezone,
        bytes,  # what an empty array holds
        range,
        slice,
        set,
        frozenset,
        complex,
        _known_as('builtins.getattr', _history_statistic),
        np.ndarray,
        np.dtype,
        *dtypes,
        # NumPy 2 renamed numpy.core; a checkpoint may move between the two.
        _known_as('numpy.core.multiarray._reconstruct', reconstruct),
        _known_as('numpy._core.multiarray._reconstruct', reconstruct),
        _known_as('numpy.core.multiarray.scalar', scalar),
        _known_as('numpy._core.multiarray.scalar', scalar),
    ]


# What a resume and released files need beside tensors; none runs code.
SAFE_GLOBALS = tuple(_safe_globals())
