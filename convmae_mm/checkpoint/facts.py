"""Widths, depths and grids of a network, read off the shapes of its tensors.

Each fact is what most of the tensors that know it say, so that one tensor
that is missing or wrongly shaped can be told from the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

# A size that no tensor has: each that it concerns is of a wrong shape then.
DISPUTED = -1
PAPER_WINDOW_ROWS = 13 * 13  # the table of 7 x 7 windows


@dataclass(frozen=True)
class BackboneFacts:
    """What the tensors of an encoder tell; None is what none of them tells.

    Attributes:
        in_channels: Channels of the images.
        embed_dims: Channels of the three stages.
        depths: Blocks of the three stages.
        hidden_dims: Hidden widths of the MLPs of the three stages.
        num_positions: Tokens that the position embedding is stored for.
        mode: 'plain', 'detection', 'mimdet', 'vitdet' or 'seg'.
        window_rows: Rows of the table that the window blocks share.
        global_rows: Rows of the table that the global blocks share, or of
            each block's own (mode 'seg').
        table_heads: Columns of those tables, one for each head.
        head_channels: Channels of a head (mode 'vitdet').
        axis_rows: Per stage-3 block the rows of its vertical and of its
            horizontal table (mode 'vitdet').
    """

    in_channels: int | None
    embed_dims: tuple[int | None, ...]
    depths: tuple[int, ...]
    hidden_dims: tuple[int | None, ...]
    num_positions: int | None
    mode: str
    window_rows: int | None
    global_rows: int | None
    table_heads: int | None
    head_channels: int | None
    axis_rows: tuple[tuple[int, int], ...]


def read_backbone(shapes: Shapes) -> BackboneFacts:
    """Read the encoder off the shapes of its tensors.

    Args:
        shapes: By released name, without prefix.
    """
    mode = _read_mode(shapes)
    depths = tuple(count_blocks(shapes, f'blocks{k}') for k in (1, 2, 3))
    per_block = mode == 'seg'
    global_table = r'global_rel_pos_bias\.relative_position_bias_table'
    if per_block:
        global_table = r'blocks3\.\d+\.attn\.relative_position_bias_table'
    tables = rf'{global_table}|windowed_rel_pos_bias\..*_table'
    axes = r'blocks3\.\d+\.attn\.rel_pos_[hw]'
    return BackboneFacts(
        in_channels=vote(shapes, (r'patch_embed1\.proj\.weight', 1)),
        embed_dims=tuple(_read_channels(shapes, k) for k in (1, 2, 3)),
        depths=depths,
        hidden_dims=tuple(
            vote(
                shapes,
                (rf'blocks{k}\.\d+\.mlp\.fc1\.(weight|bias)', 0),
                (rf'blocks{k}\.\d+\.mlp\.fc2\.weight', 1),
            )
            for k in (1, 2, 3)
        ),
        num_positions=vote(shapes, (r'(decoder_)?pos_embed', 1)),
        mode=mode,
        window_rows=vote(shapes, (r'windowed_rel_pos_bias\..*_table', 0)),
        global_rows=vote(shapes, (global_table, 0)),
        table_heads=None if mode == 'vitdet' else vote(shapes, (tables, 1)),
        head_channels=vote(shapes, (axes, 1)) if mode == 'vitdet' else None,
        axis_rows=_read_axes(shapes, depths[2]) if mode == 'vitdet' else (),
    )


def shapes_below(shapes: Shapes, prefix: str) -> dict[str, Shape]:
    """The tensors whose names start with a prefix, without it."""
    return {
        name[len(prefix) :]: shape
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }


def vote(shapes: Shapes, *sources: tuple[str, int]) -> int | None:
    """The size that most tensors have; None if there are no tensors.

    If as many say one thing as another, it is ``DISPUTED``.

    Args:
        shapes: Shapes by name.
        sources: Patterns of whole names, and the axis that tells the size.
    """
    sizes = [
        shape[axis]
        for pattern, axis in sources
        for name, shape in shapes.items()
        if re.fullmatch(pattern, name) and len(shape) > axis
    ]
    if not sizes:
        return None
    (size, count), *others = Counter(sizes).most_common(2)
    return DISPUTED if others and others[0][1] == count else size


def count_blocks(shapes: Iterable[str], stem: str) -> int:
    """Number of the blocks ``<stem>.<index>.*``, at least 1.

    An index with few tensors comes from a name that is wrong, and does not
    make a block.
    """
    found = (re.match(rf'{stem}\.(\d+)\.', name) for name in shapes)
    sizes = Counter(int(match[1]) for match in found if match)
    half = max(sizes.values(), default=0) / 2
    whole = [index for index, size in sizes.items() if size > half]
    return max(whole, default=0) + 1


def side_of_table(rows: int) -> int | None:
    """Side of the square grid that a table of (2 H - 1) ** 2 rows is for."""
    side = isqrt(rows)
    return side // 2 + 1 if side * side == rows and side % 2 else None


def fits_tables(height: int, width: int, facts: BackboneFacts) -> bool:
    """Whether a grid has the positions, and the rows of the global table."""
    if height * width != facts.num_positions:
        return False
    if facts.global_rows is None:
        return True
    return (2 * height - 1) * (2 * width - 1) == facts.global_rows


def possible_grids(facts: BackboneFacts) -> list[tuple[int, int]]:
    """The grids (H, W) that the tables can be for, H at most W."""
    length = facts.num_positions or 0
    return [
        (height, length // height)
        for height in range(isqrt(max(length, 0)), 0, -1)
        if length % height == 0
        and fits_tables(height, length // height, facts)
    ]


def _read_channels(shapes: Shapes, stage: int) -> int | None:
    return vote(
        shapes,
        (rf'patch_embed{stage}\.(proj|norm)\.(weight|bias)', 0),
        (rf'blocks{stage}\.\d+\.norm[12]\.(weight|bias)', 0),
        (rf'blocks{stage}\.\d+\.(conv[12]|attn|attn\.proj)\.bias', 0),
    )


def _read_mode(shapes: Shapes) -> str:
    def count(pattern: str) -> int:
        return sum(bool(re.fullmatch(pattern, name)) for name in shapes)

    depth = count_blocks(shapes, 'blocks3')
    if count(r'blocks3\.\d+\.attn\.rel_pos_[hw]') >= depth:
        return 'vitdet'
    own = r'blocks3\.\d+\.(attn\.relative_position_bias_table|gamma_[12])'
    if count(own) + count(r'fpn\.[01]\..+') > depth:
        return 'seg'
    if count(r'(windowed|global)_rel_pos_bias\..+'):
        rows = vote(shapes, (r'windowed_rel_pos_bias\..*_table', 0))
        return 'detection' if rows == PAPER_WINDOW_ROWS else 'mimdet'
    return 'plain'


def _read_axes(shapes: Shapes, depth: int) -> tuple[tuple[int, int], ...]:
    """Per block the rows of its two tables, as two kinds of blocks have them.

    Whichever of the two kinds is closest is taken for a block whose tables
    are missing or of a third shape.
    """
    found: list[tuple[int | None, int | None]] = []
    for index in range(depth):
        attention = rf'blocks3\.{index}\.attn\.'
        found.append(
            (
                vote(shapes, (rf'{attention}rel_pos_h', 0)),
                vote(shapes, (rf'{attention}rel_pos_w', 0)),
            )
        )
    pairs = Counter((h, w) for h, w in found if h and w)
    kinds = [pair for pair, _ in pairs.most_common(2)] or [(1, 1)]

    def agreement(kind: tuple[int, int], pair: tuple) -> int:
        return sum(a == b for a, b in zip(kind, pair, strict=True))

    return tuple(
        max(kinds, key=lambda kind: agreement(kind, pair)) for pair in found
    )
