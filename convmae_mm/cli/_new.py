"""Look at your data and write a config: what all tasks share."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

ARCHS = ('tiny', 'small', 'base')


def configure_task(parser: argparse.ArgumentParser, task: str) -> None:
    """Declare the arguments of ``convmae-mm new TASK``, but for its data."""
    add_wishes(parser)
    parser.add_argument(
        '--encoder',
        metavar='FILE',
        help='weights to start from: yours or released ones',
    )
    parser.add_argument(
        '--iters', type=int, help='steps, instead of a sensible number'
    )
    parser.add_argument('--batch-size', type=int, help='pictures a step')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path(f'{task}.py'),
        metavar='FILE',
        help='the config (default: %(default)s)',
    )


def run_task(args: argparse.Namespace, task: str) -> int:
    """Write a config and say how to train it."""
    from convmae_mm.own_data.data import data_from_options
    from convmae_mm.own_data.new import (
        check_places,
        wishes_from_options,
        write_config,
    )

    options = vars(args)
    data = data_from_options(task, options)
    wishes = wishes_from_options(options)
    check_places(args.out, args.encoder)
    data.check()
    write_config(data, args.out, wishes, args.encoder)
    print(
        f'{args.out} is written; now: convmae-mm train {quote(str(args.out))}'
    )
    return 0


def add_wishes(parser: argparse._ActionsContainer) -> None:
    """What every training on own data may be asked for."""
    parser.add_argument(
        '--arch',
        choices=ARCHS,
        default='tiny',
        help='of the encoder: tiny for a CPU or a quick try (default), small '
        'and base for a GPU',
    )
    parser.add_argument(
        '--img-size', type=int, metavar='PX', help='of what the network sees'
    )
    parser.add_argument(
        '--no-flip',
        dest='flip',
        action='store_false',
        help='mirrored pictures would be wrong, as with text',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the training and of a split'
    )
    parser.add_argument(
        '--validations',
        type=int,
        default=5,
        metavar='N',
        help='how often a training is scored, and saved (default: 5)',
    )


def add_pictures(parser: argparse._ActionsContainer) -> None:
    """Pictures without labels."""
    parser.add_argument(
        '--pictures',
        type=Path,
        metavar='DIR',
        help='pictures without labels, nested as you like',
    )


def add_boxes(parser: argparse._ActionsContainer) -> None:
    """COCO files."""
    parser.add_argument(
        '--coco',
        type=Path,
        metavar='FILE',
        help='annotations in COCO form, boxes with or without masks',
    )
    parser.add_argument(
        '--coco-val',
        type=Path,
        metavar='FILE',
        help='the same for validation (default: a fifth is held out)',
    )


def add_maps(parser: argparse._ActionsContainer) -> None:
    """Label maps."""
    parser.add_argument(
        '--labels',
        type=Path,
        metavar='DIR',
        help='label maps, one for each picture, of the same name',
    )
    parser.add_argument(
        '--val-labels',
        type=Path,
        metavar='DIR',
        help='the same for validation (default: a fifth is held out)',
    )
    parser.add_argument(
        '--classes', nargs='+', default=(), help='names, in the labels order'
    )
    parser.add_argument(
        '--ignore-label',
        type=int,
        metavar='N',
        help='what is neither learnt nor scored (default: 255)',
    )
    parser.add_argument(
        '--first-label',
        type=int,
        default=0,
        metavar='N',
        help='1 if labels count from 1 and 0 is unlabelled (default: 0)',
    )


def add_class_folders(parser: argparse._ActionsContainer) -> None:
    """A folder for each class."""
    parser.add_argument(
        '--folders',
        type=Path,
        metavar='DIR',
        help='pictures, in one folder for each class',
    )
    parser.add_argument(
        '--val-folders',
        type=Path,
        metavar='DIR',
        help='the same for validation (default: a fifth is held out)',
    )


def add_images(parser: argparse._ActionsContainer) -> None:
    """Pictures with labels."""
    parser.add_argument(
        '--images',
        type=Path,
        metavar='DIR',
        help='the pictures with annotations',
    )
    parser.add_argument(
        '--val-images',
        type=Path,
        metavar='DIR',
        help='those for validation (default: --images)',
    )
