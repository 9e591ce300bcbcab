"""Checkpoints load without running code that is hidden in them.

mmengine writes more than tensors into a checkpoint: message histories and
NumPy scalars. ``torch.load(weights_only=True)`` refuses those unless they are
allowed by name. The frozen mmengine therefore cannot resume on torch >= 2.6
at all, and the maintained one falls back to an unsafe load for any file it
does not understand. :func:`use_safe_loading` mends both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from convmae_mm.checkpoint import UnsafeFileError
from convmae_mm.checkpoint.opening.containers import read_container
from convmae_mm.checkpoint.opening.downloads import resolve
from convmae_mm.checkpoint.opening.safe_types import SAFE_GLOBALS


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
