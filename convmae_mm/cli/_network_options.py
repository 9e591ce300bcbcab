"""What the commands for checkpoints have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from convmae_mm.cli.digit_scenes import parse_size
from convmae_mm.variants import mode_zoo

if TYPE_CHECKING:
    from convmae_mm.checkpoint import LoadedFile

_OPTIONS = (
    'mode',
    'img_size',
    'num_heads',
    'decoder_num_heads',
    'window_block_indexes',
)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a file may not tell about its network."""
    parser.add_argument(
        'file',
        help='path or URL of a released file or of a checkpoint of ours',
    )
    parser.add_argument(
        '--num-heads',
        type=int,
        metavar='N',
        help='attention heads of the encoder (default: from the tables, or '
        '64 channels each)',
    )
    parser.add_argument(
        '--decoder-num-heads',
        type=int,
        metavar='N',
        help='attention heads of the decoder (default: 16)',
    )
    parser.add_argument(
        '--img-size',
        type=parse_size,
        metavar='S|HxW',
        help='size in pixels of position tables that are not square; '
        'otherwise the size to use the encoder at',
    )
    parser.add_argument(
        '--window-block-indexes',
        type=int,
        nargs='+',
        metavar='N',
        help='stage-3 blocks with window attention, from 0, for other depths '
        'than 11',
    )


def add_mode_option(parser: argparse.ArgumentParser) -> None:
    """Declare the mode to use the encoder in."""
    parser.add_argument(
        '--mode',
        choices=tuple(mode_zoo),
        help='use the encoder in another mode than its own',
    )


def network_options(args: argparse.Namespace) -> dict[str, Any]:
    """Those of the options that were given."""
    given = {name: getattr(args, name, None) for name in _OPTIONS}
    return {name: x for name, x in given.items() if x is not None}


def stored_pooling(loaded: LoadedFile) -> str | None:
    """How a classifier of ours pools, if its file says so."""
    pooling = (loaded.settings.get('classifier') or {}).get('pooling')
    return pooling if isinstance(pooling, str) else None
