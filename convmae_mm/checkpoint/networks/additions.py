"""What the modes add to the plain encoder, by the names of its tensors."""

from __future__ import annotations

import re

from convmae_mm.variants import mode_zoo

from .encoder_rules import WINDOW_TABLE
from .grids import rows_of_table
from .reader import Reader

AXES = r'blocks3\.\d+\.attn\.rel_pos\.(height|width)'
SHARED = 'shared relative positions'
DECOMPOSED = 'decomposed relative positions'
OF_SEG = {
    'relative positions per block': r'blocks3\.\d+\.attn\.rel_pos\.table',
    'LayerScale': r'blocks3\.\d+\.scale[12]\..*',
    'a convolutional E4': r'downsample\..*',
}
ADDITIONS = {
    SHARED: r'(window|global)_rel_pos\..*',
    DECOMPOSED: AXES,
    **OF_SEG,
}


def addition(name: str) -> str | None:
    """What kind of addition of a mode a tensor is; None if every mode has it.

    Args:
        name: Of a tensor of the encoder, ours, without prefix.
    """
    kinds = (x for x, y in ADDITIONS.items() if re.fullmatch(y, name))
    return next(kinds, None)


def read_mode(reader: Reader, depth: int) -> str:
    """The mode of an encoder: whose additions it has.

    Args:
        reader: Of its tensors, without prefix.
        depth: Blocks of stage 3.
    """
    if reader.count(AXES) >= depth:
        return 'vitdet'
    if sum(map(reader.count, OF_SEG.values())) > depth:
        return 'seg'
    if not reader.count(ADDITIONS[SHARED]):
        return 'plain'
    side = mode_zoo['detection'].window_size
    rows = reader.size((WINDOW_TABLE, 0))
    return 'detection' if rows == rows_of_table(side, side) else 'mimdet'
