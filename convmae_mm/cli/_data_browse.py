"""The command ``data browse``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', help='path of the config')
    parser.add_argument(
        '--number',
        type=int,
        default=16,
        metavar='N',
        help='pictures, spread over the data (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder to write into (default: browse, or the next of '
        'browse-2, ... that is free)',
    )


def run(args: argparse.Namespace) -> int:
    """Draw, and say where."""
    from convmae_mm.cli.predict import free_folder
    from convmae_mm.errors import ConfigError
    from convmae_mm.predict.browse import browse

    if args.number < 1:
        raise ConfigError(f'--number {args.number} must be at least 1')
    out = args.out or free_folder(Path('browse'))
    count = browse(args.config, out, args.number)
    print(f'{count} pictures as a training sees them: {out}')
    return 0
