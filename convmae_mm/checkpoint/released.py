"""Convert whole released networks to ours and back.

Pure functions from dict to dict. Every tensor is renamed, or dropped by a
named rule; anything that is missing, unexpected or of a wrong shape raises,
so that a wrong file never loads in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

import torch
from torch import Tensor

from convmae_mm.variants import PATCH_SIZE

from .errors import CheckpointError, UnmatchedTensorsError
from .facts import side_of_table
from .matching import check_complete
from .rules import export_tensors, import_tensors, unknown_ours
from .variants import (
    BACKBONE_PREFIXES,
    find_pooling,
    find_variant,
    rules_for,
)

_TABLE = 'relative_position_bias_table'
_INDEX = 'relative_position_index'


def convert_released_state_dict(
    state_dict: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Convert any released network, found out by its names.

    Args:
        state_dict: Tensors by released name.

    Returns:
        Tensors by our names, in the order of the input: ``backbone.*``, and
        for a pretraining network ``neck.*``, for a classifier
        ``neck.norm.*`` and ``head.fc.*``, for a detector and a segmentor the
        names of mmdet's and mmseg's models.

    Raises:
        ForeignNetworkError: If it is another network.
        UnmatchedTensorsError: Naming every tensor that is missing,
            unexpected or of a wrong shape.
    """
    variant = find_variant(state_dict)
    check_complete(state_dict, variant)
    rules = rules_for(variant, find_pooling(state_dict))
    return import_tensors(state_dict, rules)


def export_released_state_dict(
    state_dict: Mapping[str, Tensor],
    variant: str | None = None,
    *,
    pooling: str = 'mean',
    img_size: int | Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Convert a network of ours to released names; the inverse.

    Index buffers, which ours does not have, are computed.

    Args:
        state_dict: Tensors by our names, ``backbone.*`` and so on.
        variant: 'pretrain', 'classifier', 'backbone', 'detector1',
            'detector2' or 'segmentor'; found out by the names by default.
        pooling: 'mean' or 'first_token'; how a classifier pools, which the
            names do not tell.
        img_size: Size in pixels, a number or (height, width), that position
            tables are stored for; needed only where it is not square.

    Raises:
        UnmatchedTensorsError: If the network is none of those that were
            released, naming every tensor in the way.
        CheckpointError: If the grid of the tables is unknown.
    """
    variant = variant or find_our_variant(state_dict)
    exported = to_released_names(state_dict, variant, pooling)
    return _add_indexes(exported, BACKBONE_PREFIXES[variant], img_size)


def to_released_names(
    state_dict: Mapping[str, Tensor], variant: str, pooling: str = 'mean'
) -> dict[str, Tensor]:
    """Convert a network of ours to released names, without index buffers.

    Raises:
        UnmatchedTensorsError: If the network is not that variant, naming
            every tensor in the way.
    """
    exported = export_tensors(state_dict, rules_for(variant, pooling))
    check_complete(exported, variant)
    return exported


def find_our_variant(state_dict: Mapping[str, Tensor]) -> str:
    """The released variant that a network of ours can be exported to.

    Raises:
        UnmatchedTensorsError: If there is none, naming the tensors that keep
            it from being the closest one.
    """
    unknown = {
        variant: unknown_ours(state_dict, rules_for(variant))
        for variant in BACKBONE_PREFIXES
    }
    closest = min(unknown, key=lambda variant: len(unknown[variant]))
    if unknown[closest]:
        raise UnmatchedTensorsError(
            'no released network has these tensors; closest is '
            f'{closest!r}, without {unknown[closest]}. To export the encoder '
            "alone, keep what starts with 'backbone.'"
        )
    return closest


def build_position_index(grid: tuple[int, int]) -> Tensor:
    """Which row of a relative-position table each pair of tokens takes.

    Args:
        grid: (H, W); L = H * W.

    Returns:
        (L, L) int64, queries first:
        ``(dy + H - 1) * (2 * W - 1) + dx + W - 1`` for offsets dy, dx from
        key to query.
    """
    height, width = grid
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    dy = rows[:, None] - rows + height - 1
    dx = columns[:, None] - columns + width - 1
    return dy * (2 * width - 1) + dx


def _add_indexes(
    released: dict[str, Tensor],
    prefix: str,
    img_size: int | Sequence[int] | None,
) -> dict[str, Tensor]:
    """Put the index buffer of each table behind it."""
    complete: dict[str, Tensor] = {}
    for name, tensor in released.items():
        complete[name] = tensor
        if not name.endswith(_TABLE):
            continue
        index = f'{name.removesuffix(_TABLE)}{_INDEX}'
        if name.startswith(f'{prefix}windowed_rel_pos_bias.'):
            side = side_of_table(len(tensor))
            assert side is not None, 'windows are square'
            grid = (side, side)
        else:
            length = released[f'{prefix}pos_embed'].shape[1]
            grid = _grid_of_table(name, tensor, length, img_size)
        complete[index] = build_position_index(grid)
    return complete


def _grid_of_table(
    name: str,
    table: Tensor,
    length: int,
    img_size: int | Sequence[int] | None,
) -> tuple[int, int]:
    if img_size is None:
        side = side_of_table(len(table))
        if side is not None and side * side == length == isqrt(length) ** 2:
            return side, side
        raise CheckpointError(
            f'{name!r} has {len(table)} rows for {length} tokens, which are '
            'no square grid; give img_size=(height, width)'
        )
    sides = (img_size, img_size) if isinstance(img_size, int) else img_size
    height, width = (side // PATCH_SIZE for side in sides)
    if (2 * height - 1) * (2 * width - 1) != len(table):
        raise CheckpointError(
            f'{img_size=} does not fit {name!r}: a {height} x {width} grid '
            f'needs {(2 * height - 1) * (2 * width - 1)} rows, but it has '
            f'{len(table)}'
        )
    return height, width
