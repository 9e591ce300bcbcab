"""The command ``predict``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convmae_mm.cli.digit_scenes import parse_size

if TYPE_CHECKING:
    from convmae_mm.predict.run import Outcome


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare which model, and where it runs."""
    parser.add_argument(
        'model',
        metavar='RUN_OR_CHECKPOINT',
        help='folder of a run or of a training, a checkpoint, or a file that '
        'the authors released',
    )
    parser.add_argument(
        '--config', metavar='FILE', help='where the checkpoint holds none'
    )
    parser.add_argument(
        '--device', help='such as cpu or cuda:1 (default: a GPU if any)'
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_model_options(parser)
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, video, folder (with all below), or pattern such as '
        "'photos/**/*.jpg'",
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder to write into (default: predictions, or the next of '
        'predictions-2, ... that is free)',
    )
    parser.add_argument(
        '--score',
        type=float,
        metavar='S',
        help='leave out objects below this score (default: all are in '
        'predictions.json, and those of at least 0.3 are drawn)',
    )
    parser.add_argument(
        '--tile',
        type=parse_size,
        metavar='S|HxW',
        help='cut large pictures into tiles of so many pixels, best of the '
        'size of the pictures in the training',
    )
    parser.add_argument(
        '--overlap',
        type=float,
        metavar='SHARE',
        help='of a tile that the next one sees too (default: 0.2)',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help='pictures or tiles at a time (default: as in the test of the '
        'config)',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='N',
        help='take every Nth frame of a video (default: all)',
    )
    parser.add_argument(
        '--no-pictures',
        dest='pictures',
        action='store_false',
        help='draw nothing: write the predictions only',
    )


def run(args: argparse.Namespace) -> int:
    """Predict; 1 if a picture could not be read."""
    from convmae_mm.apis.load import load
    from convmae_mm.datasets.image_files import tell
    from convmae_mm.errors import ConfigError
    from convmae_mm.predict import find_sources, predict_files
    from convmae_mm.predict.run import Tiling

    if args.overlap is not None and args.tile is None:
        raise ConfigError(
            f'--overlap {args.overlap} is that of tiles: add --tile SIZE'
        )
    tiling = None
    if args.tile is not None:
        overlap = 0.2 if args.overlap is None else args.overlap
        tiling = Tiling(args.tile, overlap)
    # what is missing is told before the model is built
    found = find_sources(args.sources, arrays=True)
    if found.left_out:
        print(f'Left out, no pictures: {tell(found.left_out)}')
    model = load(args.model, config=args.config, device=args.device)
    out = args.out or free_folder(Path('predictions'))
    outcome = predict_files(
        model,
        found.files,
        out,
        score=args.score,
        batch_size=args.batch_size,
        tiling=tiling,
        pictures=args.pictures,
        every=args.every,
    )
    return _report(outcome)


def _report(outcome: Outcome) -> int:
    for error in outcome.failed:
        print(error, file=sys.stderr)
    print(f'{outcome.predicted} pictures predicted')
    for file in outcome.files:
        print(f'  {file}')
    if outcome.failed:
        total = outcome.predicted + len(outcome.failed)
        print(
            f'{len(outcome.failed)} of {total} could not be read; they are '
            'named above and have no predictions',
            file=sys.stderr,
        )
    return int(bool(outcome.failed))


def free_folder(folder: Path) -> Path:
    """The folder, or the first of its names with a number that is free."""
    number, free = 1, folder
    while free.exists() and any(free.iterdir()):
        number += 1
        free = folder.with_name(f'{folder.name}-{number}')
    return free
