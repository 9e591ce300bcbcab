"""Measure mean and deviation per channel; print a ready data_preprocessor."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from convmae_mm.errors import UserError

if TYPE_CHECKING:
    from convmae_mm.datasets.channel_statistics import ChannelStatistics

# By task: the preprocessor, and how it calls the change from BGR to RGB.
PREPROCESSORS = {
    'pretraining': ('SelfSupDataPreprocessor', 'to_rgb=True', ()),
    'classification': ('ClsDataPreprocessor', 'to_rgb=True', ()),
    'detection': (
        'DetDataPreprocessor',
        'bgr_to_rgb=True',
        ('pad_mask=True', 'pad_size_divisor=32'),
    ),
    'segmentation': (
        'SegDataPreProcessor',
        'bgr_to_rgb=True',
        ('pad_val=0', 'seg_pad_val=255', 'size=crop_size'),
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'path', type=Path, help='folder of pictures, nested as it may be'
    )
    parser.add_argument(
        '--task',
        choices=tuple(PREPROCESSORS),
        default='pretraining',
        help='whose data_preprocessor to print (default: %(default)s)',
    )
    parser.add_argument(
        '--read',
        choices=('auto', 'rgb', 'stored'),
        default='auto',
        help='rgb: any picture as three colours, transparency over white; '
        'stored: all channels of the file; auto: stored for .npy and for '
        'files that all have other than 1 or 3 channels',
    )
    parser.add_argument(
        '--channels-first',
        action='store_true',
        help='.npy arrays are (C, H, W)',
    )
    parser.add_argument(
        '--sample',
        type=int,
        default=2000,
        metavar='N',
        help='read at most N pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--full', action='store_true', help='read every picture instead'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='decides which are read'
    )
    parser.add_argument(
        '--json', action='store_true', help='print the numbers as JSON'
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if pictures could not be read."""
    from rich.console import Console
    from rich.progress import track

    from convmae_mm.datasets.channel_statistics import channel_statistics
    from convmae_mm.datasets.image_files import (
        IMAGE_EXTENSIONS,
        find_in_folder,
    )

    if args.sample < 1:
        raise UserError(f'--sample {args.sample} must be positive')
    found = find_in_folder(args.path, (*IMAGE_EXTENSIONS, '.npy'))
    files = [Path(x) for x in found]
    if not args.full and len(files) > args.sample:
        files = sorted(random.Random(args.seed).sample(files, args.sample))

    errors = Console(stderr=True)

    def show(items: Iterable[Path]) -> Iterable[Path]:
        return track(items, 'pictures', total=len(files), console=errors)

    measured = channel_statistics(files, args.read, args.channels_first, show)
    for reason in measured.bad:
        errors.print(reason, style='red', soft_wrap=True, markup=False)
    if args.json:
        print(json.dumps(vars(measured), indent=2))
    else:
        print(f'# {measured.num_images:,} of {len(found):,} pictures')
        print(ready_config(measured, args.task, args.channels_first))
    return int(bool(measured.bad))


def ready_config(
    measured: ChannelStatistics, task: str, channels_first: bool = False
) -> str:
    """The entries of a config, as Python."""
    mean, std = (
        [float(f'{x:.6g}') for x in values]
        for values in (measured.mean, measured.std)
    )
    kind, to_rgb, others = PREPROCESSORS[task]
    lines = [f"type='{kind}'"]
    if measured.reader == 'rgb':
        lines += [f'mean={mean}', f'std={std}', to_rgb]
    lines += others
    if task == 'classification':
        lines.append('num_classes=num_classes')
    body = ''.join(f'    {x},\n' for x in lines)
    text = f'data_preprocessor = dict(\n{body})'
    if measured.reader == 'rgb':
        return text
    first = ', channels_first=True' if channels_first else ''
    return (
        f'{text}\n'
        f'# first and last in every pipeline, the last before the packing\n'
        f'load_image = dict(\n'
        f"    type='convmae_mm.LoadMultiChannelImage', "
        f'in_channels={len(mean)}{first})\n'
        f'normalize = dict(\n'
        f"    type='convmae_mm.NormalizeChannels',\n"
        f'    mean={mean},\n'
        f'    std={std})\n'
        f'# and in the model: backbone=dict(in_channels={len(mean)})'
        + (
            f', neck=dict(out_channels={len(mean)}), '
            f'head=dict(in_channels={len(mean)})'
            if task == 'pretraining'
            else ''
        )
    )
