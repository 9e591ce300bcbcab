"""Everything in one go: pretrain on pictures, train on labels, score."""

from __future__ import annotations

import argparse
from pathlib import Path

from convmae_mm.apis.options import LOG_HELP, LOGS
from convmae_mm.errors import ConfigError

from ._new import (
    add_boxes,
    add_class_folders,
    add_images,
    add_maps,
    add_pictures,
    add_wishes,
)

# What names the labels of a task.
LABELS = {'coco': 'detector', 'labels': 'segmentor', 'folders': 'classifier'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_pictures(parser.add_argument_group('pictures without labels'))
    add_images(parser.add_argument_group('pictures with labels'))
    add_boxes(parser.add_argument_group('a detector'))
    add_maps(parser.add_argument_group('a segmentor'))
    add_class_folders(parser.add_argument_group('a classifier'))
    how = parser.add_argument_group('how')
    add_wishes(how)
    how.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/run'),
        metavar='DIR',
        help='gets everything (default: %(default)s); the same command again '
        'continues there',
    )
    how.add_argument(
        '--minutes',
        type=float,
        metavar='N',
        help='fit the lengths to this machine and this time (default: as the '
        'data suggest, on a CPU no longer than 20)',
    )
    how.add_argument(
        '--weights',
        metavar='FILE',
        help='start from weights, yours or released ones',
    )
    how.add_argument(
        '--compare-scratch',
        action='store_true',
        help='train once more without any weights, for comparison',
    )
    how.add_argument('--log', choices=tuple(LOGS), help=LOG_HELP)


def run(args: argparse.Namespace) -> int:
    """Run what the options name."""
    from convmae_mm.own_data.data import Pictures, data_from_options
    from convmae_mm.own_data.new import wishes_from_options
    from convmae_mm.own_data.order import Run
    from convmae_mm.own_data.run import run

    options = vars(args)
    named = [x for x in LABELS if options[x] is not None]
    if not named:
        raise ConfigError(
            'name your labels: --coco FILE for a detector, --labels DIR for '
            'a segmentor, --folders DIR for a classifier'
        )
    run(
        Run(
            tasks=tuple(data_from_options(LABELS[x], options) for x in named),
            pictures=args.pictures and Pictures(args.pictures),
            work_dir=args.work_dir,
            wishes=wishes_from_options(options),
            weights=args.weights,
            minutes=args.minutes,
            compare_scratch=args.compare_scratch,
            log=args.log,
        )
    )
    return 0
