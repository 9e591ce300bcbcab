"""Generate the DigitScenes data set (COCO, label maps, image folder)."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def parse_size(text: str) -> tuple[int, int]:
    """'128' or '96x128' (height x width) to (height, width)."""
    match = re.fullmatch(r'(\d+)(?:x(\d+))?', text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is neither a side such as 128 nor HEIGHTxWIDTH such '
            'as 96x128'
        )
    height = int(match[1])
    return height, int(match[2] or height)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/digit_scenes'),
        help='folder to fill (default: %(default)s)',
    )
    for split, default in (('train', 400), ('val', 100)):
        parser.add_argument(
            f'--{split}',
            type=int,
            default=default,
            help=f'number of {split} scenes (default: %(default)s)',
        )
    parser.add_argument(
        '--size',
        type=parse_size,
        default=(128, 128),
        metavar='S|HxW',
        help='scene size in pixels (default: 128)',
    )
    parser.add_argument(
        '--crop-size',
        type=int,
        default=64,
        help='side of the classification pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--crops-per-scene',
        type=int,
        default=4,
        help='classification pictures per scene (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='decides every picture (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=2,
        help='processes; the files do not depend on it (default: %(default)s)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a DigitScenes data set with other settings',
    )


def run(args: argparse.Namespace) -> int:
    """Generate; raises ``UserError`` for what the user can mend."""
    from convmae_mm.datasets.digit_scenes import generate_digit_scenes

    written = generate_digit_scenes(
        args.out,
        train=args.train,
        val=args.val,
        size=args.size,
        seed=args.seed,
        crop_size=args.crop_size,
        crops_per_scene=args.crops_per_scene,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    state = 'written' if written else 'already complete, left alone'
    print(f'{args.out}: {state}')
    return 0
