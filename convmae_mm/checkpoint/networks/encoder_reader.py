"""Read the encoder off the shapes of its tensors."""

from __future__ import annotations

import re
from collections import Counter

from convmae_mm.variants import LastMap, RelativePosition, mode_zoo

from .encoder import Encoder
from .encoder_rules import BACKBONE, WINDOW_TABLE
from .grids import Grid, possible_grids, rows_of_table, side_of_table
from .reader import Reader, ratio

GLOBAL_TABLE = r'(global_rel_pos|blocks3\.\d+\.attn\.rel_pos)\.table'
AXES = r'blocks3\.\d+\.attn\.rel_pos\.(height|width)'
# What modes add to the plain encoder: names, and what it is.
ADDITIONS: dict[RelativePosition | LastMap | str, tuple[str, str]] = {
    RelativePosition.SHARED: (
        r'(window|global)_rel_pos\..*',
        'shared relative positions',
    ),
    RelativePosition.PER_BLOCK: (
        r'blocks3\.\d+\.attn\.rel_pos\.table',
        'relative positions per block',
    ),
    RelativePosition.DECOMPOSED: (
        AXES,
        'decomposed relative positions',
    ),
    'layer_scale': (r'blocks3\.\d+\.scale[12]\..*', 'LayerScale'),
    LastMap.CONVOLUTION: (r'downsample\..*', 'a convolutional E4'),
}


def read_encoder(whole: Reader) -> Encoder:
    """Read the encoder inside a network under our names."""
    reader = whole.below(BACKBONE)
    stages = (1, 2, 3)
    dims = [
        reader.known(
            (rf'patch_embed{x}\.(proj|norm)\.(weight|bias)', 0),
            (rf'blocks{x}\.\d+\.norm[12]\.(weight|bias)', 0),
            (rf'blocks{x}\.\d+\.(conv[12]|depthwise|attn\.proj)\.bias', 0),
        )
        for x in stages
    ]
    hidden = [
        reader.known(
            (rf'blocks{x}\.\d+\.mlp\.fc1\.(weight|bias)', 0),
            (rf'blocks{x}\.\d+\.mlp\.fc2\.weight', 1),
        )
        for x in stages
    ]
    depths = [reader.depth(f'blocks{x}') for x in stages]
    mode = read_mode(reader, depths[2])
    positions = reader.known(('pos_embed', 1))
    tables, heads, window, blocks, table_grid = None, None, None, None, None
    match mode_zoo[mode].relative_position:
        case RelativePosition.DECOMPOSED:
            channels = reader.known((AXES, 1), default=dims[2])
            heads = max(1, dims[2] // max(channels, 1))
            window, blocks, table_grid = _read_axes(reader, depths[2])
        case RelativePosition.SHARED | RelativePosition.PER_BLOCK as kind:
            tables = reader.size((GLOBAL_TABLE, 0))
            heads = reader.size((GLOBAL_TABLE, 1), (WINDOW_TABLE, 1))
            if kind is RelativePosition.SHARED:
                window = _read_window(reader, mode)
    grids = possible_grids(positions, tables)
    if not grids:
        # embedding and tables contradict each other
        reader.dispute((GLOBAL_TABLE, 0), ('pos_embed', 1))
        grids = possible_grids(positions, None)
    return Encoder(
        mode=mode,
        in_channels=reader.known((r'patch_embed1\.proj\.weight', 1)),
        embed_dims=tuple(dims),
        depths=tuple(depths),
        mlp_ratios=tuple(map(ratio, hidden, dims)),
        num_heads=heads,
        positions=positions,
        grids=grids,
        tables=tables,
        window_size=window,
        window_blocks=blocks,
        table_grid=table_grid,
    )


def read_mode(reader: Reader, depth: int) -> str:
    """The mode of an encoder: whose additions it has.

    Args:
        reader: Of its tensors, without prefix.
        depth: Blocks of stage 3.
    """
    found = {
        kind: reader.count(pattern) for kind, (pattern, _) in ADDITIONS.items()
    }
    if found[RelativePosition.DECOMPOSED] >= depth:
        return 'vitdet'
    of_seg = (
        found[RelativePosition.PER_BLOCK]
        + found['layer_scale']
        + found[LastMap.CONVOLUTION]
    )
    if of_seg > depth:
        return 'seg'
    if not found[RelativePosition.SHARED]:
        return 'plain'
    side = mode_zoo['detection'].window_size
    rows = reader.size((WINDOW_TABLE, 0))
    return 'detection' if rows == rows_of_table(side, side) else 'mimdet'


def addition(name: str) -> str | None:
    """What kind of addition of a mode a tensor is; None if every mode has it.

    Args:
        name: Of a tensor of the encoder, ours, without prefix.
    """
    for pattern, kind in ADDITIONS.values():
        if re.fullmatch(pattern, name):
            return kind
    return None


def _read_window(reader: Reader, mode: str) -> int:
    rows = reader.size((WINDOW_TABLE, 0))
    side = None if rows is None else side_of_table(rows)
    if side is None:
        reader.dispute((WINDOW_TABLE, 0))
    return side or mode_zoo[mode].window_size


def _read_axes(
    reader: Reader, depth: int
) -> tuple[int, tuple[int, ...], Grid]:
    """The side of windows, the blocks that have them, and the whole grid.

    Blocks are of two kinds, by the rows of their two tables. A block whose
    tables are missing or of a third shape is taken for the closest kind.
    """

    def rows(index: int, axis: str) -> int:
        shape = reader.shapes.get(f'blocks3.{index}.attn.rel_pos.{axis}')
        return shape[0] if shape else 0

    found = [(rows(x, 'height'), rows(x, 'width')) for x in range(depth)]
    pairs = Counter(pair for pair in found if all(pair))
    common = [pair for pair, _ in pairs.most_common(2)] or [(1, 1)]
    closest = [
        max(common, key=lambda x: (x[0] == pair[0]) + (x[1] == pair[1]))
        for pair in found
    ]
    usual = 2 * mode_zoo['vitdet'].window_size - 1
    # windows are square, of the usual size if there are such
    kinds = sorted(
        set(closest), key=lambda x: (x != (usual, usual), x[0] != x[1], x)
    )
    window, everywhere = kinds[0], kinds[-1]
    blocks = [
        index
        for index, kind in enumerate(closest)
        if kind == window != everywhere
    ]
    height, width = everywhere
    return window[0] // 2 + 1, tuple(blocks), (height // 2 + 1, width // 2 + 1)
