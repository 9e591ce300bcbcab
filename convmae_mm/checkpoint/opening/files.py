"""Open a file with weights, of the ConvMAE authors or of ours."""

from __future__ import annotations

import json
import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convmae_mm.checkpoint.errors import CheckpointError, ForeignNetworkError

from .config_text import read_config_text
from .containers import read_container, read_safetensors_metadata
from .downloads import resolve
from .foreign import check_is_convmae

# Where training codes put the weights, in the order of preference.
WEIGHT_KEYS = ('model', 'state_dict', 'model_state')
# Averaged weights, where there are no others.
EMA_KEYS = ('model_ema', 'ema_state_dict', 'ema', 'state_dict_ema')
# What averages count beside the weights.
_COUNTERS = ('steps', 'n_averaged')
# Integers that released networks and BatchNorm keep among their tensors.
_INTEGERS = re.compile(r'.*(num_batches_tracked|relative_position_index)')
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

    def read_config(self) -> Mapping[str, Any]:
        """The config inside; empty without one of plain values."""
        text = self.settings.get('cfg')
        try:
            return read_config_text(text) if isinstance(text, str) else {}
        except CheckpointError:
            return {}


def load_weights_file(
    source: str | os.PathLike, finite: bool = True, mapped: bool = False
) -> LoadedFile:
    """Open a file of a ConvMAE network, released or of ours.

    Args:
        source: A path, or a URL (http, https, file).
        finite: Refuse weights that are NaN or infinite.
        mapped: Leave the tensors in the file, which must not change while
            they are around, until they are used.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeFileError: If loading it could run code.
        ForeignNetworkError: If it holds another network.
        CheckpointError: For everything else that is wrong with it.
    """
    path = resolve(source)
    # mapped: the states of optimizers, which nobody asked for, are not read
    kind, content = read_container(path, mapped=True)
    container: str | None = None
    if kind == 'safetensors':
        weights, content = content, {'meta': _read_metadata(path)}
        extras = []
    elif isinstance(content, Mapping):
        container, weights = _find_weights(path, content)
        known = {container.partition('.')[0]} if container else {*weights}
        extras = [str(x) for x in content if x not in known]
    else:
        raise CheckpointError(
            f'{path} holds a {type(content).__name__}, not a dict with weights'
        )
    weights = _strip(weights, path, mapped)
    if not weights:
        raise CheckpointError(f'{path} holds no tensors')
    try:
        check_is_convmae(weights)
    except ForeignNetworkError as error:
        raise ForeignNetworkError(f'{path}: {error}') from error
    check_usable(weights, path, finite)
    meta, args = content.get('meta'), content.get('args')
    meta = meta if isinstance(meta, Mapping) else {}
    args = vars(args) if isinstance(args, Namespace) else args
    # MAE's and detectron2's codes store the index of the last, from 0;
    # OpenMMLab the number that are finished.
    epoch = _number(content, 'epoch', 1)
    iteration = _number(content, 'iteration', 1)
    return LoadedFile(
        path=path,
        format=kind,
        weights=weights,
        container=container,
        extras=tuple(extras),
        epochs=_number(meta, 'epoch') if epoch is None else epoch,
        iterations=_number(meta, 'iter') if iteration is None else iteration,
        settings=dict(args if isinstance(args, Mapping) else meta),
    )


def check_usable(
    weights: Mapping[str, Tensor], where: object, finite: bool = True
) -> None:
    """Check that tensors are what weights can be: real, and finite.

    Args:
        weights: Tensors by name.
        where: What they come from, for the message.
        finite: Whether to look at the numbers too.

    Raises:
        CheckpointError: Naming the tensors that are not.
    """
    kinds = [
        f'{name!r} is {str(x.dtype).removeprefix("torch.")}'
        for name, x in weights.items()
        if not x.is_floating_point() and not _INTEGERS.fullmatch(name)
    ]
    if kinds:
        raise CheckpointError(
            f'{where} has {len(kinds)} tensors of a type that no weight has: '
            f'{", ".join(kinds[:5])}; weights are floating-point numbers'
        )
    wrong = find_not_finite(weights) if finite else []
    if wrong:
        raise CheckpointError(
            f'{where} has {len(wrong)} of {len(weights)} tensors that are '
            f'NaN or infinite in float32, such as {wrong[:3]}: the training '
            'had gone astray when they were saved; take an earlier checkpoint'
        )


def find_not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity, once in float32."""
    return [
        name
        for name, x in weights.items()
        if x.is_floating_point() and not _is_finite(x)
    ]


def _is_finite(tensor: Tensor) -> bool:
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        tensor = tensor.float()
    # NaN and infinity spoil a sum, which is read once and written nowhere;
    # a sum that is too large tells nothing
    return bool(tensor.sum().isfinite() or tensor.isfinite().all())


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
    where = 'the dict'
    weights = _strip(_find_weights(where, content)[1], where, mapped=False)
    check_usable(weights, where)
    return weights


def _find_weights(
    path: Path | str, content: Mapping
) -> tuple[str | None, dict[str, Tensor]]:
    """The entry with the weights (None: all entries) and the weights."""
    for key in (*WEIGHT_KEYS, *EMA_KEYS):
        entry: Any = content.get(key)
        tensors = _tensors_of(entry)
        if tensors and len(tensors) < len(entry):
            others = [x for x in entry if x not in tensors]
            raise CheckpointError(
                f'{path} has entries in {key!r} that are no tensors: {others}'
            )
        if tensors:
            return key, tensors
        for inner in WEIGHT_KEYS if isinstance(entry, Mapping) else ():
            if tensors := _tensors_of(entry.get(inner)):
                return f'{key}.{inner}', tensors
    if weights := _tensors_of(content):
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


def _tensors_of(entry: Any) -> dict[str, Tensor]:
    items = entry.items() if isinstance(entry, Mapping) else ()
    return {
        key: value
        for key, value in items
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def _strip(
    weights: Mapping[str, Tensor], where: object, mapped: bool
) -> dict[str, Tensor]:
    """The tensors without what wrappers of models put into the names.

    They are copies, unless they are to stay in the file.
    DistributedDataParallel and averages put 'module.' in front of all of
    them, torch.compile '_orig_mod.' anywhere.
    """
    empty = [name for name, x in weights.items() if not _has_numbers(x)]
    if empty:
        raise CheckpointError(
            f'{where} has {len(empty)} tensors whose numbers are not all in '
            f'it, such as {empty[:3]}: sparse, expanded or without content; '
            'save them whole'
        )
    plain = {
        name.replace('_orig_mod.', ''): tensor
        for name, tensor in weights.items()
        if name not in _COUNTERS
    }
    wrapped = all(name.startswith('module.') for name in plain)
    prefix = 'module.' if wrapped else ''
    return {
        name.removeprefix(prefix): x if mapped else x.clone()
        for name, x in plain.items()
    }


def _has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor is as large as it claims to be."""
    if tensor.layout != torch.strided or tensor.is_meta:
        return False
    size = tensor.numel() * tensor.element_size()
    return size <= tensor.untyped_storage().nbytes()


def _number(entries: Mapping, key: str, more: int = 0) -> int | None:
    value = entries.get(key)
    return value + more if isinstance(value, int) else None
