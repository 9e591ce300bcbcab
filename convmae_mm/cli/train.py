"""Train any config: pretraining, detection, segmentation, classification."""

from __future__ import annotations

import argparse

from convmae_mm.errors import UserError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from mmengine.config import DictAction

    parser.add_argument('config', help='path of the config')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='for logs and checkpoints (default: work_dirs/NAME_OF_CONFIG)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='continue from a checkpoint; without FILE, from the latest in '
        'the work directory, or from the start if there is none',
    )
    parser.add_argument(
        '--amp',
        action=argparse.BooleanOptionalAction,
        help='train in mixed precision or not (default: as the config says)',
    )
    parser.add_argument(
        '--no-validate',
        dest='validate',
        action='store_false',
        help="leave out the config's validation",
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size',
    )
    parser.add_argument(
        '--seed', type=int, help="instead of the config's random seed"
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
        'train_dataloader.batch_size=4 or model.backbone.init_cfg=None',
    )


def run(args: argparse.Namespace) -> int:
    """Train, unless the options do not fit the config."""
    from convmae_mm.apis import run_training, training_config

    try:
        cfg = training_config(
            args.config,
            work_dir=args.work_dir,
            resume=args.resume,
            amp=args.amp,
            validate=args.validate,
            auto_scale_lr=args.auto_scale_lr,
            seed=args.seed,
            launcher=args.launcher,
            cfg_options=args.cfg_options,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    run_training(cfg)
    return 0
