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
        help='decides the scenes and every training (default: 0)',
    )
    parser.add_argument(
        '--train-scenes',
        type=int,
        metavar='N',
        help='number of training scenes',
    )
    parser.add_argument(
        '--val-scenes', type=int, metavar='N', help='number of held-out scenes'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        metavar='N',
        help='steps that run at the same time (default: 2, 1 on one core)',
    )
    parser.add_argument(
        '--fast',
        action='store_true',
        help='tiny counts: shows that everything works; the scores then mean '
        'nothing',
    )
    parser.add_argument(
        '--report-only',
        action='store_true',
        help='write the report again from what is there',
    )
    parser.epilog = (
        'Interrupt it at any time: the same command continues where it '
        'stopped. A changed setting runs again what depends on it.'
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; errors that the user can mend raise ``UserError``."""
    if args.report_only:
        from convmae_mm.demo.report import write_report

        write_report(args.work_dir)
        return 0
    from convmae_mm.demo import run_demo

    chosen = {
        name: getattr(args, name)
        for name in ('seed', 'train_scenes', 'val_scenes')
        if getattr(args, name) is not None
    }
    run_demo(args.work_dir, fast=args.fast, jobs=args.jobs, **chosen)
    return 0
