"""What network a released file holds, as settings of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from torch import Tensor

from convmae_mm.variants import PATCH_SIZE, arch_zoo

from .errors import CheckpointError, UnmatchedTensorsError
from .expected_heads import (
    read_auxiliary_channels,
    read_fc_channels,
    read_fpn_channels,
    read_labels,
    read_num_things,
    read_uper_channels,
)
from .facts import (
    BackboneFacts,
    Shapes,
    count_blocks,
    fits_tables,
    possible_grids,
    side_of_table,
    vote,
)
from .matching import check_complete, read_facts, read_shapes
from .released import find_our_variant, to_released_names
from .variants import find_pooling, find_variant

# The modes of ConvMAE that need more than their name to be described.
WINDOW_SIZES = {'detection': 7, 'mimdet': 16, 'vitdet': 14}
VITDET_WINDOW_BLOCKS = (0, 2, 3, 5, 6, 8, 9)
PUBLISHED_DEPTH = 11  # of stage 3, that the modes name window blocks for
MODES = ('plain', 'detection', 'mimdet', 'vitdet', 'seg')

HEAD_CHANNELS = 64  # of one attention head, unless the arch is in arch_zoo
DECODER_CHANNELS, DECODER_HEADS = 512, 16

Grid = tuple[int, int]
ImgSize = int | Sequence[int] | None


@dataclass(frozen=True)
class ReleasedNetwork:
    """A released network as settings of ours.

    Attributes:
        variant: 'pretrain', 'classifier', 'backbone', 'detector1',
            'detector2' or 'segmentor'.
        backbone: Arguments of ``ConvMAE``: arch, mode, img_size, in_channels,
            and where they are not the mode's own pretrain_img_size,
            window_size and window_block_indexes.
        decoder: Arguments of ``ConvMAEPretrainDecoder``, or None.
        classifier: num_classes and pooling ('mean' or 'first_token'), or
            None.
        detector: fpn_channels, fc_channels and num_classes, or None.
        segmentor: channels, num_classes and auxiliary_channels (None without
            auxiliary head), or None.
    """

    variant: str
    backbone: dict[str, Any]
    decoder: dict[str, Any] | None = None
    classifier: dict[str, Any] | None = None
    detector: dict[str, Any] | None = None
    segmentor: dict[str, Any] | None = None


def describe_released(
    state_dict: Mapping[str, Tensor],
    *,
    mode: str | None = None,
    img_size: ImgSize = None,
    num_heads: int | None = None,
    decoder_num_heads: int | None = None,
    window_block_indexes: Sequence[int] | None = None,
) -> ReleasedNetwork:
    """Read a released network's settings off the names and shapes.

    Args:
        state_dict: Tensors by released name, a whole network.
        mode: Use the encoder in this mode instead of its own.
        img_size: Size in pixels, a number or (height, width): of the tables
            in the file where they are not square, which the file does not
            tell, otherwise the size to use the encoder at.
        num_heads: Attention heads of the encoder. By default they are read
            off relative-position tables, or have 64 channels each (80 in the
            huge network).
        decoder_num_heads: Attention heads of the decoder, 16 by default.
        window_block_indexes: 0-based stage-3 blocks with window attention,
            for other depths than 11.

    Raises:
        ForeignNetworkError: If it is another network.
        UnmatchedTensorsError: Naming every tensor that is missing,
            unexpected or of a wrong shape.
        CheckpointError: If something must be given that the file does not
            tell, or what is given contradicts it.
    """
    variant = find_variant(state_dict)
    check_complete(state_dict, variant)
    shapes = read_shapes(state_dict)
    facts = read_facts(shapes, variant)
    mode = _check_mode(mode) or facts.mode
    backbone = {
        'arch': _read_arch(facts, num_heads),
        'mode': mode,
        **_read_sizes(facts, mode, img_size),
        'in_channels': facts.in_channels,
        **_read_windows(facts, mode),
    }
    if window_block_indexes is not None:
        backbone['window_block_indexes'] = tuple(window_block_indexes)
    _check_window_blocks(backbone)
    decoder = None
    if variant == 'pretrain':
        decoder = _read_decoder(shapes, facts, img_size, decoder_num_heads)
    return ReleasedNetwork(
        variant, backbone, decoder, **_read_heads(variant, shapes)
    )


def describe_ours(
    state_dict: Mapping[str, Tensor], **overrides: Any
) -> ReleasedNetwork:
    """Read the settings of a network of ours off its tensors.

    Args:
        state_dict: Tensors by our names, of a whole model or of the encoder
            alone, with or without 'backbone.' in front.
        overrides: As for :func:`describe_released`.

    Returns:
        The network, if its whole is one of those that were released,
        otherwise its encoder. How a classifier pools, its tensors do not
        tell: 'mean' is assumed.

    Raises:
        UnmatchedTensorsError: If the encoder is not whole.
        CheckpointError: If something must be given that the tensors do not
            tell, or what is given contradicts them.
    """
    weights = dict(state_dict)
    if not any(name.startswith('backbone.') for name in weights):
        weights = {f'backbone.{name}': x for name, x in weights.items()}
    try:
        variant = find_our_variant(weights)
        released = to_released_names(weights, variant)
    except UnmatchedTensorsError:
        encoder = {x: weights[x] for x in weights if x.startswith('backbone.')}
        released = to_released_names(encoder, 'backbone')
    return describe_released(released, **overrides)


def _check_window_blocks(backbone: dict[str, Any]) -> None:
    """Ask for the window blocks where neither file nor mode tells them."""
    depth = backbone['arch']['depths'][2]
    indexes = backbone.get('window_block_indexes')
    if backbone['mode'] in WINDOW_SIZES and indexes is None:
        if depth != PUBLISHED_DEPTH:
            raise CheckpointError(
                f'which of the {depth} stage-3 blocks have windows is not '
                f'stored, and mode {backbone["mode"]!r} tells it for '
                f'{PUBLISHED_DEPTH} only: give window_block_indexes'
            )
    wrong = [x for x in indexes or () if not 0 <= x < depth]
    if wrong:
        raise CheckpointError(
            f'window_block_indexes {wrong} are out of range: stage 3 has '
            f'{depth} blocks, 0..{depth - 1}'
        )


def _check_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in MODES:
        raise CheckpointError(f'unknown {mode=}; choose from {list(MODES)}')
    return mode


def _read_arch(facts: BackboneFacts, num_heads: int | None) -> dict[str, Any]:
    dims, hidden = facts.embed_dims, facts.hidden_dims
    ratios = [
        _whole(_known(b) / _known(a))
        for a, b in zip(dims, hidden, strict=True)
    ]
    return {
        'embed_dims': dims,
        'depths': facts.depths,
        'num_heads': _settle_heads(facts, num_heads),
        'mlp_ratios': tuple(ratios),
    }


def _settle_heads(facts: BackboneFacts, given: int | None) -> int:
    channels = _known(facts.embed_dims[2])
    stored = facts.table_heads
    if facts.head_channels:
        stored = channels // facts.head_channels
    if stored is not None and given not in (None, stored):
        raise CheckpointError(
            f'num_heads={given} contradicts the relative-position tables, '
            f'which have {stored} heads; leave num_heads out'
        )
    if given is not None and given < 1:
        raise CheckpointError(f'num_heads={given} must be at least 1')
    heads = given or stored
    if heads is None:
        # networks of the same widths have the heads of the published one
        heads = next(
            (
                arch.num_heads
                for arch in arch_zoo.values()
                if arch.embed_dims == facts.embed_dims
            ),
            None,
        )
    if heads is None and channels % HEAD_CHANNELS == 0:
        heads = channels // HEAD_CHANNELS
    if heads is None:
        raise CheckpointError(
            f'the number of attention heads is not stored, and {channels} '
            f'channels are no multiple of {HEAD_CHANNELS}; give num_heads'
        )
    if channels % heads:
        raise CheckpointError(
            f'num_heads={heads} must divide the {channels} channels of stage 3'
        )
    return heads


def _read_sizes(
    facts: BackboneFacts, mode: str, img_size: ImgSize
) -> dict[str, Any]:
    """img_size, and pretrain_img_size where the embedding keeps its own.

    It does in mode vitdet, and where the two grids have as many patches: the
    embedding is then interpolated in every forward pass, because a table of
    the right length would be taken as it is.
    """
    wanted = None if img_size is None else _to_grid(img_size)
    positions = position_grid(facts, img_size)
    tables = _table_grid(facts, positions)
    used = wanted or (tables if mode == facts.mode else positions)
    sizes = {'img_size': _to_pixels(used)}
    alike = positions[0] * positions[1] == used[0] * used[1]
    if positions != used and (mode == 'vitdet' or alike):
        sizes['pretrain_img_size'] = _to_pixels(positions)
    return sizes


def position_grid(facts: BackboneFacts, img_size: ImgSize = None) -> Grid:
    """The (H, W) that the position embedding is stored for.

    Args:
        facts: The encoder.
        img_size: Its size in pixels if it is not square; a size that does
            not fit it is taken for one to resize to.

    Raises:
        CheckpointError: If it is not square and the size is not given.
    """
    length = _known(facts.num_positions)
    wanted = None if img_size is None else _to_grid(img_size)
    side = isqrt(length)
    # Square unless the tables say otherwise: a size with as many patches is
    # one to use the network at, not the one that it was trained at.
    if fits_tables(side, side, facts):
        return side, side
    if wanted and fits_tables(*wanted, facts):
        return wanted
    grids = possible_grids(facts)
    hint = ' or '.join(str(_to_pixels(grid)) for grid in grids)
    given = '' if img_size is None else f'; {img_size=} does not fit'
    raise CheckpointError(
        f'the position embedding of {length} patches is not square, and '
        f'which (height, width) it is for is not stored{given}: give '
        f'img_size=(height, width) in pixels, such as {hint}, or the other '
        'way round'
    )


def _table_grid(facts: BackboneFacts, positions: Grid) -> Grid:
    """The grid that the relative positions of global blocks are stored for."""
    if facts.mode != 'vitdet':
        return positions
    _, (height, width) = _split_kinds(facts)
    return height // 2 + 1, width // 2 + 1


def _read_windows(facts: BackboneFacts, mode: str) -> dict[str, Any]:
    """window_size and window_block_indexes where not the mode's own."""
    if mode != facts.mode or mode not in WINDOW_SIZES:
        return {}
    if mode == 'vitdet':
        return _read_vitdet_windows(facts)
    side = side_of_table(_known(facts.window_rows))
    return {} if side == WINDOW_SIZES[mode] else {'window_size': side}


def _read_vitdet_windows(facts: BackboneFacts) -> dict[str, Any]:
    window, overall = _split_kinds(facts)
    if window == overall:
        side = window[0] // 2 + 1
        # all blocks alike: either windows as large as the grid, or none
        own = window[0] == window[1] and side == WINDOW_SIZES['vitdet']
        return {} if own else {'window_block_indexes': ()}
    settings: dict[str, Any] = {}
    if window[0] // 2 + 1 != WINDOW_SIZES['vitdet']:
        settings['window_size'] = window[0] // 2 + 1
    indexes = tuple(
        index for index, rows in enumerate(facts.axis_rows) if rows == window
    )
    if indexes != VITDET_WINDOW_BLOCKS:
        settings['window_block_indexes'] = indexes
    return settings


def _split_kinds(facts: BackboneFacts) -> tuple[Grid, Grid]:
    """Rows (vertical, horizontal) of window blocks and of global blocks."""
    kinds = sorted(set(facts.axis_rows))
    usual = 2 * WINDOW_SIZES['vitdet'] - 1
    # windows are square, of the usual size if there are such
    kinds.sort(key=lambda x: (x != (usual, usual), x[0] != x[1]))
    return kinds[0], kinds[-1]


def _read_decoder(
    shapes: Shapes,
    facts: BackboneFacts,
    img_size: ImgSize,
    num_heads: int | None,
) -> dict[str, Any]:
    channels = _known(vote(shapes, ('mask_token', 2)))
    hidden = vote(shapes, (r'decoder_blocks\.\d+\.mlp\.fc1\.weight', 0))
    if num_heads is None and channels == DECODER_CHANNELS:
        num_heads = DECODER_HEADS
    if num_heads is None or num_heads < 1 or channels % num_heads:
        raise CheckpointError(
            f'the number of attention heads of the decoder, of {channels} '
            'channels, is not stored: give decoder_num_heads that divides '
            f'them ({num_heads=})'
        )
    return {
        'in_channels': facts.embed_dims,
        'img_size': _to_pixels(position_grid(facts, img_size)),
        'embed_dims': channels,
        'depth': count_blocks(shapes, 'decoder_blocks'),
        'num_heads': num_heads,
        'mlp_ratio': _whole(_known(hidden) / channels),
        'out_channels': facts.in_channels,
    }


def _read_heads(variant: str, shapes: Shapes) -> dict[str, dict[str, Any]]:
    """The one of classifier, detector and segmentor that a variant has."""
    if variant == 'classifier':
        num_classes = vote(shapes, (r'head\.weight', 0))
        pooling = find_pooling(shapes)
        return {'classifier': {'num_classes': num_classes, 'pooling': pooling}}
    if variant in ('detector1', 'detector2'):
        detector = {
            'fpn_channels': read_fpn_channels(shapes),
            'fc_channels': read_fc_channels(shapes),
            'num_classes': read_num_things(shapes),
        }
        return {'detector': detector}
    if variant == 'segmentor':
        segmentor = {
            'channels': read_uper_channels(shapes),
            'num_classes': read_labels(shapes),
            'auxiliary_channels': read_auxiliary_channels(shapes),
        }
        return {'segmentor': segmentor}
    return {}


def _to_grid(img_size: int | Sequence[int]) -> Grid:
    sides = (img_size, img_size) if isinstance(img_size, int) else img_size
    if len(sides) != 2 or any(s < 1 or s % PATCH_SIZE for s in sides):
        raise CheckpointError(
            f'{img_size=} must be a number of pixels or (height, width), '
            f'divisible by {PATCH_SIZE}'
        )
    return sides[0] // PATCH_SIZE, sides[1] // PATCH_SIZE


def _to_pixels(grid: Grid) -> int | Grid:
    height, width = grid[0] * PATCH_SIZE, grid[1] * PATCH_SIZE
    return height if height == width else (height, width)


def _whole(ratio: float) -> int | float:
    return int(ratio) if ratio == int(ratio) else ratio


def _known(size: int | None) -> int:
    """A size that a complete network tells."""
    assert size is not None
    return size
