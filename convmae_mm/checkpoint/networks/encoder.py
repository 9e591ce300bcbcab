"""The encoder inside every network: what its tensors tell of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from convmae_mm.checkpoint.errors import CheckpointError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.ops.patches import resolve_grid
from convmae_mm.variants import (
    RelativePosition,
    arch_zoo,
    mode_zoo,
    resolve_arch,
    resolve_mode,
)

from .additions import AXES, read_mode
from .encoder_rules import BACKBONE, WINDOW_TABLE
from .grids import Grid, ImgSize, possible_grids, side_of_table, to_pixels
from .reader import Outlined, Reader, ratio, shapes_of
from .rules import Shape

HEAD_CHANNELS = 64  # of one attention head, unless the arch is in arch_zoo
WINDOWED = [x for x, mode in mode_zoo.items() if mode.window_block_indexes]
GLOBAL_TABLE = r'(global_rel_pos|blocks3\.\d+\.attn\.rel_pos)\.table'


class Encoder:
    """What the tensors of an encoder tell.

    Args:
        whole: The shapes of a network under our names.

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

    num_heads: int | None = None
    tables: int | None = None
    window_size: int | None = None
    window_blocks: tuple[int, ...] | None = None
    table_grid: Grid | None = None

    def __init__(self, whole: Reader) -> None:
        reader, stages = whole.below(BACKBONE), (1, 2, 3)
        self.embed_dims = tuple(
            reader.known(
                (rf'patch_embed{x}\.(proj|norm)\.(weight|bias)', 0),
                (rf'blocks{x}\.\d+\.norm[12]\.(weight|bias)', 0),
                (rf'blocks{x}\.\d+\.(conv[12]|depthwise|attn\.proj)\.bias', 0),
            )
            for x in stages
        )
        hidden = [
            reader.known(
                (rf'blocks{x}\.\d+\.mlp\.fc1\.(weight|bias)', 0),
                (rf'blocks{x}\.\d+\.mlp\.fc2\.weight', 1),
            )
            for x in stages
        ]
        self.mlp_ratios = tuple(map(ratio, hidden, self.embed_dims))
        self.depths = tuple(reader.depth(f'blocks{x}') for x in stages)
        self.in_channels = reader.known((r'patch_embed1\.proj\.weight', 1))
        self.positions = reader.known(('pos_embed', 1))
        self.mode = read_mode(reader, self.depths[2])
        self._read_tables(reader)
        self.grids = possible_grids(self.positions, self.tables)
        if not self.grids:
            # embedding and tables contradict each other
            reader.dispute((GLOBAL_TABLE, 0), ('pos_embed', 1))
            self.grids = possible_grids(self.positions, None)

    def _read_tables(self, reader: Reader) -> None:
        """Tables of relative positions, of the kind that the mode has."""
        kind = mode_zoo[self.mode].relative_position
        if kind is RelativePosition.DECOMPOSED:
            width = self.embed_dims[2]
            channels = reader.known((AXES, 1), default=width)
            self.num_heads = max(1, width // max(channels, 1))
            self._read_axes(reader)
        elif kind is not RelativePosition.NONE:
            self.tables = reader.size((GLOBAL_TABLE, 0))
            self.num_heads = reader.size((GLOBAL_TABLE, 1), (WINDOW_TABLE, 1))
        if kind is RelativePosition.SHARED:
            rows = reader.size((WINDOW_TABLE, 0))
            side = None if rows is None else side_of_table(rows)
            if side is None:
                reader.dispute((WINDOW_TABLE, 0))
            self.window_size = side or mode_zoo[self.mode].window_size

    def _read_axes(self, reader: Reader) -> None:
        """The side of windows, the blocks that have them, the whole grid.

        Blocks are of two kinds, by the rows of their two tables. A block
        whose tables are missing or of a third shape is taken for the closest
        kind.
        """
        shapes = [
            [
                reader.shapes.get(f'blocks3.{x}.attn.rel_pos.{axis}') or (0,)
                for axis in ('height', 'width')
            ]
            for x in range(self.depths[2])
        ]
        found = [(height[0], width[0]) for height, width in shapes]
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
        window, (height, width) = kinds[0], kinds[-1]
        self.window_size = window[0] // 2 + 1
        self.window_blocks = tuple(
            index
            for index, kind in enumerate(closest)
            if kind == window and len(kinds) > 1
        )
        self.table_grid = height // 2 + 1, width // 2 + 1

    def expect(self) -> dict[str, Shape]:
        """The names and shapes of its tensors, without prefix.

        Raises:
            ConfigError: If there is no such ``ConvMAE``.
        """
        windows: dict[str, Any] = {}
        if self.window_size is not None:
            blocks = self.window_blocks
            if blocks is None:
                # which blocks have windows, shared tables do not tell
                alone = self.depths[2] == 1 and self.tables is not None
                blocks = () if alone else (0,)
            windows['window_size'] = self.window_size
            windows['window_block_indexes'] = blocks
        with Outlined():
            model = ConvMAE(
                self._arch(self.num_heads or 1),
                self.mode,
                img_size=to_pixels(self.table_grid or self.grids[0]),
                pretrain_img_size=to_pixels(self.grids[0]),
                in_channels=self.in_channels,
                **windows,
            )
            return shapes_of(model)

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
        windows = self._windows(mode, window_block_indexes)
        arch = self._arch(self._settle_heads(num_heads))
        resolve_arch(arch)
        return {
            'arch': arch,
            'mode': mode,
            **self._sizes(mode, img_size),
            'in_channels': self.in_channels,
            **windows,
        }

    def position_grid(self, img_size: ImgSize = None) -> Grid:
        """The (H, W) that position embedding and tables are stored for.

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

    def index_grid(self, table: str, img_size: ImgSize) -> Grid:
        """The (H, W) of the tokens that a table relates.

        Args:
            table: Its name, ours.
            img_size: See :meth:`position_grid`, but it must fit.

        Raises:
            CheckpointError: If the grid is unknown, or not that of the size.
        """
        if table.endswith(WINDOW_TABLE) and self.window_size is not None:
            return self.window_size, self.window_size
        grid = self.position_grid(img_size)
        if img_size is not None and resolve_grid(img_size) != grid:
            raise CheckpointError(
                f'{img_size=} does not fit the relative-position tables, '
                f'which are for img_size={to_pixels(grid)}'
            )
        return grid

    def tokens_of(self, table: str) -> int:
        """How many tokens a table relates, by its name, ours."""
        if table.endswith(WINDOW_TABLE) and self.window_size is not None:
            return self.window_size**2
        return self.positions

    def _arch(self, num_heads: int) -> dict[str, Any]:
        """Widths and depths as ``ConvMAE`` takes them."""
        return {
            'embed_dims': self.embed_dims,
            'depths': self.depths,
            'num_heads': num_heads,
            'mlp_ratios': self.mlp_ratios,
        }

    def _settle_heads(self, given: int | None) -> int:
        channels, stored = self.embed_dims[2], self.num_heads
        if stored is not None and given not in (None, stored):
            raise CheckpointError(
                f'num_heads={given} contradicts the relative-position tables, '
                f'which have {stored} heads; leave num_heads out'
            )
        heads = stored if given is None else given
        if heads is not None:
            return heads
        # networks of the same widths have the heads of the published one
        for arch in arch_zoo.values():
            if arch.embed_dims == self.embed_dims:
                return arch.num_heads
        if channels % HEAD_CHANNELS:
            raise CheckpointError(
                f'the number of attention heads is not stored, and {channels} '
                f'channels are no multiple of {HEAD_CHANNELS}; give num_heads'
            )
        return channels // HEAD_CHANNELS

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

    def _windows(
        self, mode: str, given: Sequence[int] | None
    ) -> dict[str, Any]:
        """window_size and window_block_indexes where not the mode's own."""
        own, blocks = mode_zoo[self.mode], self.window_blocks
        settings: dict[str, Any] = {}
        # windows as large as the grid tell nothing
        of_grid = self.table_grid == (own.window_size, own.window_size)
        if mode == self.mode and not of_grid:
            if blocks not in (None, own.window_block_indexes):
                settings['window_block_indexes'] = blocks
            if (
                self.window_size not in (None, own.window_size)
                and blocks != ()
            ):
                settings['window_size'] = self.window_size
        if given is not None:
            settings['window_block_indexes'] = tuple(given)
        blocks = settings.get('window_block_indexes')
        depth, usual = self.depths[2], arch_zoo['base'].depths[2]
        if blocks is None and depth != usual and mode in WINDOWED:
            raise CheckpointError(
                f'which of the {depth} stage-3 blocks have windows is not '
                f'stored, and mode {mode!r} tells it for {usual} only: give '
                'window_block_indexes'
            )
        resolve_mode(mode, depth, window_block_indexes=blocks)
        return settings
