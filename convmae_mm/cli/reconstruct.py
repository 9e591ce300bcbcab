"""The command ``reconstruct``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convmae_mm.cli.predict import add_model_options, free_folder


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_model_options(parser)
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, folder (with all below), or pattern',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder to write into (default: reconstructions, or the next of '
        'reconstructions-2, ... that is free)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='decides which patches are hidden (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> int:
    """Reconstruct; 1 if a picture could not be read."""
    import numpy as np

    from convmae_mm.apis.load import load
    from convmae_mm.apis.progress import follow
    from convmae_mm.datasets.load_rgb_image import UndecodableImageError
    from convmae_mm.errors import DataError
    from convmae_mm.predict.sources import find_sources
    from convmae_mm.predict.writers import save_picture
    from convmae_mm.report.reconstruction import COLUMNS, reconstruct

    files = find_sources(args.sources, arrays=True).files
    videos = [str(x.path) for x in files if x.is_video]
    if videos:
        raise DataError(f'{videos[0]} is a video; pictures are reconstructed')
    model = load(args.model, config=args.config, device=args.device)
    out = args.out or free_folder(Path('reconstructions'))
    failed = 0
    for source in follow(files, len(files), 'reconstruct'):
        try:
            read = model.read(source.path)
        except UndecodableImageError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        row = reconstruct(model, [read], args.seed)[0]
        save_picture(out / f'{source.name}.png', np.hstack(row))
    print(f'{len(files) - failed} pictures in {out}, each from left to right:')
    print(', '.join(COLUMNS).lower())
    if failed:
        print(f'{failed} of {len(files)} could not be read', file=sys.stderr)
    return int(bool(failed))
