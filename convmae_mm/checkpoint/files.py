"""Open a file with weights, of the ConvMAE authors or of ours."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from .containers import read_container, read_safetensors_metadata
from .downloads import resolve
from .errors import CheckpointError, ForeignNetworkError
from .foreign import check_is_convmae

# Where training codes put the weights, in the order of preference.
WEIGHT_KEYS = ('model', 'state_dict', 'model_state')
# What says that there is the state of an optimizer.
OPTIMIZER_KEYS = ('optimizer', 'optimizer_state', 'optimizer_state_dict')


@dataclass(frozen=True)
class LoadedFile:
    """What a file with weights holds.

    Attributes:
        path: The local file.
        format: 'pth' or 'safetensors'.
        weights: Tensors by name, under released names or ours.
        container: The entry that they were found in; None if they are the
            whole file.
        extras: The other entries of the file.
        epochs: Epochs that it was trained for, if the file says so.
        iterations: Iterations that it was trained for, if it says so.
        settings: Settings of the training that the file carries.
    """

    path: Path
    format: str
    weights: dict[str, Tensor]
    container: str | None = None
    extras: tuple[str, ...] = ()
    epochs: int | None = None
    iterations: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def has_optimizer(self) -> bool:
        """Whether the state of an optimizer is in the file."""
        return any(key in OPTIMIZER_KEYS for key in self.extras)


def load_weights_file(source: str | os.PathLike) -> LoadedFile:
    """Open a file of a ConvMAE network, released or of ours.

    Args:
        source: A path, or a URL (http, https, file).

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeFileError: If loading it could run code.
        ForeignNetworkError: If it holds another network.
        CheckpointError: For everything else that is wrong with it.
    """
    path = resolve(source)
    # mapped: the states of optimizers, which nobody asked for, are not read
    kind, content = read_container(path, mapped=True)
    if kind == 'safetensors':
        settings = _read_metadata(path)
        loaded = LoadedFile(
            path,
            kind,
            _strip(content),
            epochs=_number(settings, 'epoch'),
            iterations=_number(settings, 'iter'),
            settings=settings,
        )
    else:
        loaded = _open_content(path, content)
    if not loaded.weights:
        raise CheckpointError(f'{path} holds no tensors')
    try:
        check_is_convmae(loaded.weights)
    except ForeignNetworkError as error:
        raise ForeignNetworkError(f'{path}: {error}') from error
    return loaded


def _read_metadata(path: Path) -> dict[str, Any]:
    """What a safetensors file says; ours say it in JSON, in one entry."""
    texts = read_safetensors_metadata(path)
    try:
        meta = json.loads(texts.get('meta', ''))
    except ValueError:
        return dict(texts)
    return meta if isinstance(meta, dict) else dict(texts)


def unpack_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors in what a checkpoint file holds, or in a bare state dict.

    Raises:
        CheckpointError: If there are none.
    """
    return _strip(_find_weights('the dict', content)[1])


def _open_content(path: Path, content: Any) -> LoadedFile:
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(content).__name__}, not a dict with weights'
        )
    container, weights = _find_weights(path, content)
    extras = tuple(
        str(key)
        for key in content
        if key != container and (container or key not in weights)
    )
    meta = content.get('meta')
    meta = meta if isinstance(meta, Mapping) else {}
    epochs, iterations = _read_progress(content, meta)
    return LoadedFile(
        path=path,
        format='pth',
        weights=_strip(weights),
        container=container,
        extras=extras,
        epochs=epochs,
        iterations=iterations,
        settings=_read_settings(content, meta),
    )


def _find_weights(
    path: Path | str, content: Mapping
) -> tuple[str | None, dict[str, Tensor]]:
    """The entry with the weights (None: all entries) and the weights."""
    for key in WEIGHT_KEYS:
        entry = content.get(key)
        if isinstance(entry, Mapping) and _tensors_of(entry):
            others = [x for x in entry if not isinstance(entry[x], Tensor)]
            if others:
                raise CheckpointError(
                    f'{path} has entries in {key!r} that are no tensors: '
                    f'{others}'
                )
            return key, dict(entry)
    weights = _tensors_of(content)
    if weights:
        return None, weights
    entries = sorted(map(str, content))
    if {'state', 'param_groups'} <= set(content) or (
        any(key in content for key in OPTIMIZER_KEYS)
    ):
        raise CheckpointError(
            f'{path} holds the state of an optimizer and no weights '
            f'(entries: {entries}); needed is the checkpoint of the network'
        )
    raise CheckpointError(
        f'{path} holds no weights: none of {list(WEIGHT_KEYS)} is a dict of '
        f'tensors, nor is the file itself (entries: {entries})'
    )


def _tensors_of(entry: Mapping) -> dict[str, Tensor]:
    return {
        key: value
        for key, value in entry.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def _strip(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies without the prefix that DistributedDataParallel puts in front."""
    prefix = 'module.'
    if not all(name.startswith(prefix) for name in weights):
        prefix = ''
    return {name[len(prefix) :]: x.clone() for name, x in weights.items()}


def _read_progress(
    content: Mapping, meta: Mapping
) -> tuple[int | None, int | None]:
    """Finished epochs and iterations."""
    # MAE's and detectron2's codes store the index of the last, from 0;
    # OpenMMLab the number that are finished.
    epoch, iteration = content.get('epoch'), content.get('iteration')
    return (
        epoch + 1 if isinstance(epoch, int) else _number(meta, 'epoch'),
        iteration + 1 if isinstance(iteration, int) else _number(meta, 'iter'),
    )


def _number(entries: Mapping, key: str) -> int | None:
    value = entries.get(key)
    return value if isinstance(value, int) else None


def _read_settings(content: Mapping, meta: Mapping) -> dict[str, Any]:
    args = content.get('args')
    if isinstance(args, Namespace):
        return dict(vars(args))
    if isinstance(args, Mapping):
        return dict(args)
    return dict(meta)
