"""The command ``embed``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convmae_mm.cli.predict import add_model_options


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
        default=Path('embedding.npz'),
        metavar='FILE',
        help='.npz, .csv, or .parquet with pandas and pyarrow (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--knn',
        action='store_true',
        help='say how often the neighbours of a picture are of its class; '
        'SOURCE is then a folder of class folders',
    )
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='a 2-D map, such as map.png'
    )
    parser.add_argument('--batch-size', type=int, metavar='N')


def run(args: argparse.Namespace) -> int:
    """Embed; 1 if a picture could not be read."""
    from convmae_mm.apis.embedding import (
        check_out,
        embed_files,
        knn_accuracy,
        plot_map,
        save_embedding,
    )
    from convmae_mm.apis.load import load
    from convmae_mm.errors import ConfigError, DataError
    from convmae_mm.predict.sources import find_sources

    check_out(args.out)
    if args.batch_size is not None and args.batch_size < 1:
        raise ConfigError(f'--batch-size {args.batch_size} must be 1 or more')
    found = find_sources(args.sources, arrays=True).files
    videos = [str(x.path) for x in found if x.is_video]
    if videos:
        raise DataError(f'{videos[0]} is a video; pictures are embedded')
    model = load(args.model, config=args.config, device=args.device)
    embedding = embed_files(
        model, [(x.name, x.path) for x in found], args.batch_size
    )
    for error in embedding.failed:
        print(error, file=sys.stderr)
    save_embedding(embedding, args.out)
    count, size = embedding.vectors.shape
    print(f'{count} pictures as vectors of {size} numbers: {args.out}')
    if args.knn:
        print(f'Neighbours of the right class: {knn_accuracy(embedding):.3f}')
    if args.plot is not None:
        plot_map(embedding, args.plot)
        print(f'Map: {args.plot}')
    if embedding.failed:
        print(
            f'{len(embedding.failed)} of {len(found)} could not be read',
            file=sys.stderr,
        )
    return int(bool(embedding.failed))
