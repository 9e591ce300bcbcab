"""The encoder inside every network: what its tensors tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convmae_mm.checkpoint.errors import CheckpointError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.ops.patches import resolve_grid
from convmae_mm.variants import (
    arch_zoo,
    mode_zoo,
    resolve_arch,
    resolve_mode,
)

from .encoder_rules import WINDOW_TABLE
from .grids import Grid, ImgSize, rows_of_table, side_of_table, to_pixels
from .reader import Outlined, shapes_of
from .rules import Shape

HEAD_CHANNELS = 64  # of one attention head, unless the arch is in arch_zoo
WINDOWED = [x for x, mode in mode_zoo.items() if mode.window_block_indexes]


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
        window_size: Side of the windows by their tables; None without.
        window_blocks: The stage-3 blocks with smaller tables than others,
            by which mode 'vitdet' tells its windows; else None.
        table_grid: The (H, W) that the larger ones are for; else None.
    """

    mode: str
    in_channels: int
    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratios: tuple[float, ...]
    num_heads: int | None
    positions: int
    grids: tuple[Grid, ...]
    tables: int | None
    window_size: int | None
    window_blocks: tuple[int, ...] | None
    table_grid: Grid | None

    def expect(self) -> dict[str, Shape]:
        """The names and shapes of its tensors, without prefix.

        Raises:
            ConfigError: If there is no such ``ConvMAE``.
        """
        settings: dict[str, Any] = {
            'arch': self.arch(self.num_heads or 1),
            'mode': self.mode,
            'in_channels': self.in_channels,
            'img_size': to_pixels(self.table_grid or self.grids[0]),
            'pretrain_img_size': to_pixels(self.grids[0]),
        }
        if self.window_size is not None:
            blocks = self.window_blocks
            if blocks is None:
                # which blocks have windows, shared tables do not tell
                alone = self.depths[2] == 1 and self.tables is not None
                blocks = () if alone else (0,)
            settings['window_size'] = self.window_size
            settings['window_block_indexes'] = blocks
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
            ConfigError: If ``ConvMAE`` takes no such settings.
        """
        mode = self.mode if mode is None else mode
        windows = self._windows() if mode == self.mode else {}
        if window_block_indexes is not None:
            windows['window_block_indexes'] = tuple(window_block_indexes)
        self._check_windows(mode, windows.get('window_block_indexes'))
        arch = self.arch(self._settle_heads(num_heads))
        resolve_arch(arch)
        return {
            'arch': arch,
            'mode': mode,
            **self._sizes(mode, img_size),
            'in_channels': self.in_channels,
            **windows,
        }

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
        wanted = None if img_size is None else resolve_grid(img_size)
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
        height, width = resolve_grid(img_size)
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
        # networks of the same widths have the heads of the published one
        published = [
            arch.num_heads
            for arch in arch_zoo.values()
            if arch.embed_dims == self.embed_dims
        ]
        if channels % HEAD_CHANNELS == 0:
            published.append(channels // HEAD_CHANNELS)
        if given is None and stored is None and not published:
            raise CheckpointError(
                f'the number of attention heads is not stored, and {channels} '
                f'channels are no multiple of {HEAD_CHANNELS}; give num_heads'
            )
        return next(x for x in (given, stored, *published) if x is not None)

    def _sizes(self, mode: str, img_size: ImgSize) -> dict[str, Any]:
        """img_size, and pretrain_img_size where the embedding keeps its own.

        It does in mode vitdet, and where the two grids have as many patches:
        the embedding is then interpolated in every forward pass, because a
        table of the right length would be taken as it is.
        """
        positions = self.position_grid(img_size)
        used = positions
        if img_size is not None:
            used = resolve_grid(img_size)
        elif mode == self.mode and self.table_grid:
            used = self.table_grid
        sizes = {'img_size': to_pixels(used)}
        alike = positions[0] * positions[1] == used[0] * used[1]
        if positions != used and (mode == 'vitdet' or alike):
            sizes['pretrain_img_size'] = to_pixels(positions)
        return sizes

    def _windows(self) -> dict[str, Any]:
        """window_size and window_block_indexes where not the mode's own."""
        own, size = mode_zoo[self.mode], self.window_size
        if self.table_grid == (own.window_size, own.window_size):
            return {}  # windows as large as the grid
        settings: dict[str, Any] = {}
        if self.window_blocks not in (None, own.window_block_indexes):
            settings['window_block_indexes'] = self.window_blocks
        if size not in (None, own.window_size) and self.window_blocks != ():
            settings['window_size'] = size
        return settings

    def _check_windows(self, mode: str, blocks: Sequence[int] | None) -> None:
        """Ask for the window blocks where neither file nor mode tells them."""
        depth, usual = self.depths[2], arch_zoo['base'].depths[2]
        if blocks is None and depth != usual and mode in WINDOWED:
            raise CheckpointError(
                f'which of the {depth} stage-3 blocks have windows is not '
                f'stored, and mode {mode!r} tells it for {usual} only: give '
                'window_block_indexes'
            )
        resolve_mode(mode, depth, window_block_indexes=blocks)
