"""The encoder inside every network: what its tensors tell of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convmae_mm.checkpoint.errors import CheckpointError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.variants import (
    LastMap,
    RelativePosition,
    arch_zoo,
    mode_zoo,
)

from .encoder_rules import WINDOW_TABLE
from .grids import (
    Grid,
    ImgSize,
    possible_grids,
    rows_of_table,
    side_of_table,
    to_grid,
    to_pixels,
)
from .reader import Outlined, Reader, ratio, shapes_of
from .rules import Shape

HEAD_CHANNELS = 64  # of one attention head, unless the arch is in arch_zoo
BACKBONE = 'backbone.'
GLOBAL_TABLE = r'(global_rel_pos|blocks3\.\d+\.attn\.rel_pos)\.table'
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
        r'blocks3\.\d+\.attn\.rel_pos\.(height|width)',
        'decomposed relative positions',
    ),
    'layer_scale': (r'blocks3\.\d+\.scale[12]\..*', 'LayerScale'),
    LastMap.CONVOLUTION: (r'downsample\..*', 'a convolutional E4'),
}


@dataclass(frozen=True)
class Encoder:
    """What the tensors of an encoder tell.

    Attributes:
        mode: A name of ``mode_zoo``.
        in_channels: Channels of the images.
        embed_dims: Channels of the three stages.
        depths: Blocks of the three stages.
        mlp_ratios: Hidden widths of the MLPs over the channels.
        num_heads: Columns of the tables; None where there are none.
        positions: Tokens that the position embedding is stored for.
        grids: The (H, W) that it can be for, by the tables too, the most
            square first.
        tables: Rows of the table of global attention; None without.
        window_size: Side of the windows of a shared table; None without.
        axis_rows: Rows of the vertical and the horizontal table of each
            stage-3 block (mode 'vitdet').
    """

    mode: str
    in_channels: int
    embed_dims: tuple[int, int, int]
    depths: tuple[int, int, int]
    mlp_ratios: tuple[float, float, float]
    num_heads: int | None
    positions: int
    grids: tuple[Grid, ...]
    tables: int | None
    window_size: int | None
    axis_rows: tuple[Grid, ...]

    def expect(self) -> dict[str, Shape]:
        """The names and shapes of its tensors, without prefix.

        Raises:
            ConfigError: If there is no such ``ConvMAE``.
        """
        settings: dict[str, Any] = {
            'arch': self.arch(self.num_heads or 1),
            'mode': self.mode,
            'in_channels': self.in_channels,
            'img_size': to_pixels(self.grids[0]),
        }
        if self.window_size is not None:
            # which blocks have windows, no shape tells
            alone = self.depths[2] == 1 and self.tables is not None
            settings |= {
                'window_size': self.window_size,
                'window_block_indexes': () if alone else (0,),
            }
        if self.axis_rows:
            settings |= {
                'window_size': self._window[0] // 2 + 1,
                'window_block_indexes': self._window_blocks,
                'img_size': to_pixels(self._table_grid()),
                'pretrain_img_size': to_pixels(self.grids[0]),
            }
        with Outlined():
            return shapes_of(ConvMAE(**settings))

    def arch(self, num_heads: int) -> dict[str, Any]:
        """Widths and depths as ``ConvMAE`` takes them."""
        return {
            'embed_dims': self.embed_dims,
            'depths': self.depths,
            'num_heads': num_heads,
            'mlp_ratios': self.mlp_ratios,
        }

    def describe(
        self,
        mode: str | None,
        img_size: ImgSize,
        num_heads: int | None,
        window_block_indexes: Sequence[int] | None,
    ) -> dict[str, Any]:
        """The arguments of ``ConvMAE``; see :func:`describe_released`.

        Raises:
            CheckpointError: If something must be given that no tensor tells,
                or what is given contradicts them.
        """
        if mode is not None and mode not in mode_zoo:
            raise CheckpointError(
                f'unknown {mode=}; choose from {list(mode_zoo)}'
            )
        mode = mode or self.mode
        settings = {
            'arch': self.arch(self._settle_heads(num_heads)),
            'mode': mode,
            **self._sizes(mode, img_size),
            'in_channels': self.in_channels,
        }
        if mode == self.mode:
            settings |= self._windows()
        if window_block_indexes is not None:
            settings['window_block_indexes'] = tuple(window_block_indexes)
        self._check_windows(mode, settings.get('window_block_indexes'))
        return settings

    def position_grid(self, img_size: ImgSize = None) -> Grid:
        """The (H, W) that the position embedding is stored for.

        Square unless the tables say otherwise: a size with as many patches
        is one to use the network at, not the one that it was trained at.

        Args:
            img_size: Its size in pixels if it is not square; a size that
                does not fit it is taken for one to resize to.

        Raises:
            CheckpointError: If it is not square and the size is not given.
        """
        wanted = None if img_size is None else to_grid(img_size)
        height, width = self.grids[0]
        if height == width:
            return height, width
        if wanted in self.grids or wanted and wanted[::-1] in self.grids:
            return wanted
        hint = ' or '.join(str(to_pixels(grid)) for grid in self.grids)
        given = '' if img_size is None else f'; {img_size=} does not fit'
        raise CheckpointError(
            f'the position embedding of {self.positions} patches is not '
            f'square, and which (height, width) it is for is not stored'
            f'{given}: give img_size=(height, width) in pixels, such as '
            f'{hint}, or the other way round'
        )

    def index_grid(
        self, table: str, name: str, rows: int, img_size: ImgSize
    ) -> Grid:
        """The (H, W) of the tokens that a table relates.

        Args:
            table: Its name, ours, without prefix.
            name: What the message calls it.
            rows: Its length.
            img_size: Of global tables that are not square, in pixels.

        Raises:
            CheckpointError: If the grid is unknown.
        """
        side = side_of_table(rows)
        if table == WINDOW_TABLE:
            assert side is not None, 'windows are square'
            return side, side
        if img_size is None:
            if side is not None and side * side == self.positions:
                return side, side
            raise CheckpointError(
                f'{name!r} has {rows} rows for {self.positions} tokens, '
                'which are no square grid; give img_size=(height, width)'
            )
        height, width = to_grid(img_size)
        if rows_of_table(height, width) != rows:
            raise CheckpointError(
                f'{img_size=} does not fit {name!r}: a {height} x {width} '
                f'grid needs {rows_of_table(height, width)} rows, but it '
                f'has {rows}'
            )
        return height, width

    def index_length(self, table: str) -> int:
        """Tokens that a table relates; its index is square of that side."""
        if table == WINDOW_TABLE and self.window_size is not None:
            return self.window_size**2
        return self.positions

    def _settle_heads(self, given: int | None) -> int:
        channels, stored = self.embed_dims[2], self.num_heads
        if stored is not None and given not in (None, stored):
            raise CheckpointError(
                f'num_heads={given} contradicts the relative-position tables, '
                f'which have {stored} heads; leave num_heads out'
            )
        if given is not None and given < 1:
            raise CheckpointError(f'num_heads={given} must be at least 1')
        # networks of the same widths have the heads of the published one
        published = [
            arch.num_heads
            for arch in arch_zoo.values()
            if arch.embed_dims == self.embed_dims
        ]
        if channels % HEAD_CHANNELS == 0:
            published.append(channels // HEAD_CHANNELS)
        heads = given or stored or next(iter(published), None)
        if heads is None:
            raise CheckpointError(
                f'the number of attention heads is not stored, and {channels} '
                f'channels are no multiple of {HEAD_CHANNELS}; give num_heads'
            )
        if channels % heads:
            raise CheckpointError(
                f'num_heads={heads} must divide the {channels} channels of '
                'stage 3'
            )
        return heads

    def _sizes(self, mode: str, img_size: ImgSize) -> dict[str, Any]:
        """img_size, and pretrain_img_size where the embedding keeps its own.

        It does in mode vitdet, and where the two grids have as many patches:
        the embedding is then interpolated in every forward pass, because a
        table of the right length would be taken as it is.
        """
        positions = self.position_grid(img_size)
        used = positions
        if img_size is not None:
            used = to_grid(img_size)
        elif mode == self.mode and self.axis_rows:
            used = self._table_grid()
        sizes = {'img_size': to_pixels(used)}
        alike = positions[0] * positions[1] == used[0] * used[1]
        if positions != used and (mode == 'vitdet' or alike):
            sizes['pretrain_img_size'] = to_pixels(positions)
        return sizes

    def _windows(self) -> dict[str, Any]:
        """window_size and window_block_indexes where not the mode's own."""
        own = mode_zoo[self.mode]
        settings: dict[str, Any] = {}
        window: int | None = self.window_size
        if self.axis_rows:
            window = self._window[0] // 2 + 1
            square = self._window[0] == self._window[1]
            blocks = self._window_blocks
            if self._window == self._everywhere:
                # alike: either windows as large as the grid, or none
                all_windows = square and window == own.window_size
                return {} if all_windows else {'window_block_indexes': ()}
            if blocks != own.window_block_indexes:
                settings['window_block_indexes'] = blocks
        if window not in (None, own.window_size):
            settings['window_size'] = window
        return settings

    def _check_windows(self, mode: str, blocks: Sequence[int] | None) -> None:
        """Ask for the window blocks where neither file nor mode tells them."""
        depth, own = self.depths[2], mode_zoo[mode].window_block_indexes
        if own and blocks is None and depth != arch_zoo['base'].depths[2]:
            raise CheckpointError(
                f'which of the {depth} stage-3 blocks have windows is not '
                f'stored, and mode {mode!r} tells it for '
                f'{arch_zoo["base"].depths[2]} only: give window_block_indexes'
            )
        wrong = [x for x in blocks or () if not 0 <= x < depth]
        if wrong:
            raise CheckpointError(
                f'window_block_indexes {wrong} are out of range: stage 3 has '
                f'{depth} blocks, 0..{depth - 1}'
            )

    def _table_grid(self) -> Grid:
        """The grid that the decomposed tables of global blocks are for."""
        height, width = self._everywhere
        return height // 2 + 1, width // 2 + 1

    @property
    def _kinds(self) -> list[Grid]:
        """Rows of window blocks' tables, then of global blocks'."""
        usual = 2 * mode_zoo['vitdet'].window_size - 1
        # windows are square, of the usual size if there are such
        return sorted(
            set(self.axis_rows),
            key=lambda x: (x != (usual, usual), x[0] != x[1], x),
        )

    @property
    def _window(self) -> Grid:
        return self._kinds[0]

    @property
    def _everywhere(self) -> Grid:
        return self._kinds[-1]

    @property
    def _window_blocks(self) -> tuple[int, ...]:
        if self._window == self._everywhere:
            return ()
        return tuple(
            index
            for index, rows in enumerate(self.axis_rows)
            if rows == self._window
        )


def read_encoder(whole: Reader) -> Encoder:
    """Read the encoder inside a network under our names."""
    reader = whole.below(BACKBONE)
    dims, hidden, depths = (
        [read(reader, stage) for stage in (1, 2, 3)]
        for read in (_read_channels, _read_hidden, _read_depth)
    )
    mode = read_mode(reader, depths[2])
    positions = reader.known(('pos_embed', 1))
    tables, heads, window = None, None, None
    axis_rows: tuple[Grid, ...] = ()
    match mode_zoo[mode].relative_position:
        case RelativePosition.DECOMPOSED:
            axes = r'blocks3\.\d+\.attn\.rel_pos\.(height|width)'
            channels = reader.known((axes, 1), default=dims[2])
            heads = max(1, dims[2] // max(channels, 1))
            axis_rows = _read_axes(reader.shapes, depths[2])
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
        embed_dims=(dims[0], dims[1], dims[2]),
        depths=(depths[0], depths[1], depths[2]),
        mlp_ratios=(
            ratio(hidden[0], dims[0]),
            ratio(hidden[1], dims[1]),
            ratio(hidden[2], dims[2]),
        ),
        num_heads=heads,
        positions=positions,
        grids=grids,
        tables=tables,
        window_size=window,
        axis_rows=axis_rows,
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


def _read_channels(reader: Reader, stage: int) -> int:
    return reader.known(
        (rf'patch_embed{stage}\.(proj|norm)\.(weight|bias)', 0),
        (rf'blocks{stage}\.\d+\.norm[12]\.(weight|bias)', 0),
        (rf'blocks{stage}\.\d+\.(conv[12]|depthwise|attn\.proj)\.bias', 0),
    )


def _read_hidden(reader: Reader, stage: int) -> int:
    return reader.known(
        (rf'blocks{stage}\.\d+\.mlp\.fc1\.(weight|bias)', 0),
        (rf'blocks{stage}\.\d+\.mlp\.fc2\.weight', 1),
    )


def _read_depth(reader: Reader, stage: int) -> int:
    return reader.depth(f'blocks{stage}')


def _read_window(reader: Reader, mode: str) -> int:
    rows = reader.size((WINDOW_TABLE, 0))
    side = None if rows is None else side_of_table(rows)
    if side is None:
        reader.dispute((WINDOW_TABLE, 0))
    return side or mode_zoo[mode].window_size


def _read_axes(shapes: Mapping[str, Shape], depth: int) -> tuple[Grid, ...]:
    """Per block the rows of its two tables, as two kinds of blocks have them.

    Whichever of the two kinds is closest is taken for a block whose tables
    are missing or of a third shape.
    """

    def rows(index: int, axis: str) -> int:
        shape = shapes.get(f'blocks3.{index}.attn.rel_pos.{axis}')
        return shape[0] if shape else 0

    def agreement(kind: Grid, pair: Grid) -> int:
        return sum(a == b for a, b in zip(kind, pair, strict=True))

    found = [(rows(x, 'height'), rows(x, 'width')) for x in range(depth)]
    pairs = Counter(pair for pair in found if all(pair))
    kinds = [pair for pair, _ in pairs.most_common(2)] or [(1, 1)]
    return tuple(
        max(kinds, key=lambda kind: agreement(kind, pair)) for pair in found
    )
