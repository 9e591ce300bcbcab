"""Types that a checkpoint may hold beside tensors; none runs code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import PosixPath, PurePosixPath
from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

# Scalar types a history or a best score may have; each NumPy dtype is an
# instance of a class of its own.
NUMPY_DTYPES = (
    *('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16'),
    *('uint32', 'uint64', 'float16', 'float32', 'float64', 'U1', 'M8[s]'),
)
HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')


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


_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
_SCALAR: Any = np.float64(0).__reduce__()[0]
# What a resume and released files need beside tensors; none runs code.
SAFE_GLOBALS: tuple[Any, ...] = (
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
    *{type(np.dtype(name)) for name in NUMPY_DTYPES},
    # NumPy 2 renamed numpy.core; a checkpoint may move between the two.
    _known_as('numpy.core.multiarray._reconstruct', _RECONSTRUCT),
    _known_as('numpy._core.multiarray._reconstruct', _RECONSTRUCT),
    _known_as('numpy.core.multiarray.scalar', _SCALAR),
    _known_as('numpy._core.multiarray.scalar', _SCALAR),
)
