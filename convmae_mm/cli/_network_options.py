"""What the commands for checkpoints have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

from convmae_mm.cli import UserError
from convmae_mm.cli.digit_scenes import parse_size

_OPTIONS = ('mode', 'img_size', 'num_heads', 'decoder_num_heads')


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
        '--mode',
        choices=('plain', 'detection', 'mimdet', 'vitdet', 'seg'),
        help='use the encoder in another mode than its own',
    )


def network_options(args: argparse.Namespace) -> dict[str, Any]:
    """Those of the options that were given."""
    given = {name: getattr(args, name) for name in _OPTIONS}
    return {name: x for name, x in given.items() if x is not None}


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what is wrong with a file into an error for the user."""
    from convmae_mm.checkpoint import CheckpointError

    try:
        yield
    except (CheckpointError, UnpicklingError) as error:
        raise UserError(str(error)) from error
