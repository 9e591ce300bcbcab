"""Pretrain, fine-tune a detector and a segmentor, and report, in one go."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo'),
        metavar='DIR',
        help='everything the demo writes (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='decides the scenes and every training (default: 0)',
    )
    parser.add_argument(
        '--fast',
        action='store_true',
        help='tiny counts: shows that everything works; the scores then mean '
        'nothing',
    )
    parser.epilog = (
        'Interrupt it at any time: the same command continues where it '
        'stopped.'
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from convmae_mm.demo import FAST, Sizes, run_demo

    run_demo(args.work_dir, FAST if args.fast else Sizes(), args.seed)
    return 0
