"""Score a checkpoint on the test data of its config, and draw predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

from convmae_mm.errors import UserError


def parse_out(text: str) -> Path:
    """A file for the scores, .json, or for the predictions, .pkl."""
    if not text.endswith(('.json', '.pkl')):
        raise argparse.ArgumentTypeError(
            f'{text!r} must end in .json for the scores or in .pkl for the '
            'predictions'
        )
    return Path(text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from mmengine.config import DictAction

    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='for logs (default: work_dirs/NAME_OF_CONFIG)',
    )
    parser.add_argument(
        '--out',
        type=parse_out,
        metavar='FILE',
        help='write the scores (.json) or all predictions (.pkl)',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='write every test image with its predictions drawn',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='how several processes were started; pytorch means torchrun',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as '
        'test_dataloader.batch_size=4',
    )


def run(args: argparse.Namespace) -> int:
    """Test, unless the options do not fit the config."""
    from convmae_mm.apis import run_test, testing_config

    try:
        cfg = testing_config(
            args.config,
            args.checkpoint,
            work_dir=args.work_dir,
            show_dir=args.show_dir,
            launcher=args.launcher,
            cfg_options=args.cfg_options,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    for name, score in run_test(cfg, args.out).items():
        print(f'{name}: {score}')
    return 0
