"""Measure how fast one core loads and augments pretraining pictures.

python tools/benchmark/data.py
python tools/benchmark/data.py --sizes 3000x4000 --feed 800
python tools/benchmark/data.py --folder data/imagenet/train/n01440764

Each group of pictures is loaded whole, and with ``min_side`` at 1/2, 1/4 or
1/8 of its size where that is enough. How many cores feed a GPU follows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from _measure import read_peak, reset_peak
from _options import check_numbers, make_parser
from _photos import write_photos
from _report import describe_machine, print_table
from mmcv.transforms import Compose
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS

from convmae_mm.errors import ConfigError

CONFIG = (
    Path(__file__).resolve().parents[2]
    / 'configs/_base_/datasets/imagenet_pretrain_224.py'
)
CPU = torch.device('cpu')


def measure(
    pipeline: Sequence[dict[str, Any]], paths: Sequence[str], runs: int
) -> tuple[list[float], list[float], int]:
    """Seconds per picture to load it, and all in all, and the peak in bytes.

    In a process of its own: what one pipeline has allocated stays with it.
    """
    cv2.setNumThreads(0)  # as each worker of a data loader does
    torch.set_num_threads(1)
    load, *augment = (TRANSFORMS.build(cfg) for cfg in pipeline)
    augment = Compose(augment)
    reset_peak(CPU)
    before = read_peak(CPU)
    passes = [time_pass(load, augment, paths) for _ in range(runs + 1)]
    # the first pass warms the file cache up
    loading, whole = zip(*passes[1:], strict=True)
    return list(loading), list(whole), read_peak(CPU) - before


def time_pass(
    load: Any, augment: Compose, paths: Sequence[str]
) -> tuple[float, float]:
    """Seconds per picture, to load it, and to load and augment it."""
    np.random.seed(0)  # the same crops for every setting
    loading = whole = 0.0
    for path in paths:
        start = time.perf_counter()
        results = load({'img_path': path, 'sample_idx': 0})
        loading += time.perf_counter() - start
        augment(results)
        whole += time.perf_counter() - start
    return loading / len(paths), whole / len(paths)


def measure_row(
    label: str,
    paths: Sequence[str],
    pipeline: Sequence[dict[str, Any]],
    args: argparse.Namespace,
) -> dict[str, str]:
    """One row of the table."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        future = pool.submit(measure, pipeline, paths, args.runs)
        loading, whole, peak = future.result()
    rate = 1 / statistics.median(whole)
    kilobytes = sum(map(os.path.getsize, paths)) / len(paths) / 1e3
    row = {
        'pictures (mean kB)': f'{label} ({kilobytes:.0f})',
        'min_side': str(pipeline[0].get('min_side', '-')),
        'ms to load: median (min to max)': milliseconds(loading),
        'ms with augmentation': milliseconds(whole),
        'images/s per core': f'{rate:.0f}',
        f'cores for {args.feed:g} images/s': f'{args.feed / rate:.1f}',
    }
    if not args.no_memory:
        row['peak MiB'] = f'{peak / 2**20:.0f}'
    return row


def milliseconds(seconds: Sequence[float]) -> str:
    low, high = min(seconds) * 1e3, max(seconds) * 1e3
    median = statistics.median(seconds) * 1e3
    return f'{median:.2f} ({low:.2f} to {high:.2f})'


def read_pipeline(config: str) -> list[dict[str, Any]]:
    """The transforms of a config's training pictures.

    Raises:
        ConfigError: If they do not begin with ours that loads pictures.
    """
    if not Path(config).is_file():
        raise ConfigError(f'--config {config} does not exist')
    loader = Config.fromfile(config).get('train_dataloader') or {}
    pipeline = loader.get('dataset', {}).get('pipeline') or [{}]
    if pipeline[0].get('type') != 'convmae_mm.LoadRGBImage':
        raise ConfigError(
            f'--config {config} has no train_dataloader.dataset.pipeline that '
            "begins with type='convmae_mm.LoadRGBImage'"
        )
    return [dict(step) for step in pipeline]


def find_min_side(pipeline: Sequence[dict[str, Any]]) -> int:
    """The shortest side from which no random crop has to be enlarged.

    Raises:
        ConfigError: If the pipeline has no RandomResizedCrop.
    """
    for cfg in pipeline:
        if cfg['type'].endswith('RandomResizedCrop'):
            crop = TRANSFORMS.build(cfg)
            share = min(crop.crop_ratio_range) / max(crop.aspect_ratio_range)
            return int(np.ceil(max(crop.scale) / np.sqrt(share)))
    raise ConfigError(
        'the config has no RandomResizedCrop to derive the smallest useful '
        'side from; give --min-side'
    )


def find_groups(
    args: argparse.Namespace, scratch: Path
) -> dict[str, list[str]]:
    """The pictures of a folder, or generated ones of each size.

    Raises:
        ConfigError: For a folder without pictures, and for wrong sizes.
    """
    if args.folder:
        found = sorted(
            str(path)
            for path in Path(args.folder).rglob('*')
            if path.suffix.lower() in ('.jpg', '.jpeg')
        )
        if not found:
            raise ConfigError(f'--folder {args.folder} holds no JPEG file')
        return {Path(args.folder).name: found[: args.files]}
    groups = {}
    for text in args.sizes.split(','):
        sides = text.split('x')
        if len(sides) != 2 or not all(
            side.isdecimal() and int(side) for side in sides
        ):
            raise ConfigError(
                f'--sizes {args.sizes!r}: {text!r} must be HEIGHTxWIDTH'
            )
        size = (int(sides[0]), int(sides[1]))
        groups[text] = write_photos(scratch, size, args.files)
    return groups


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add(
        '--sizes',
        default='375x500,768x1024,1500x2000,3000x4000',
        help='HEIGHTxWIDTH of generated pictures, with commas (%(default)s)',
    )
    add('--folder', help='pictures of your own (*.jpg, *.jpeg, *.JPEG)')
    add('--files', type=int, default=4, help='of each size, or of the folder')
    add('--config', default=str(CONFIG), help='whose pictures are loaded')
    add('--min-side', type=int, help='pixels to leave; default: by the crop')
    add(
        '--feed',
        type=float,
        default=1000,
        help='images/s that a GPU takes; says how many cores that needs',
    )
    args = parser.parse_args(argv)
    try:
        check_numbers(args, runs=1, files=1, feed=1, min_side=1)
        whole = read_pipeline(args.config)
        min_side = args.min_side or find_min_side(whole)
        reduced = [dict(whole[0], min_side=min_side), *whole[1:]]
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                measure_row(label, paths, pipeline, args)
                for label, paths in find_groups(args, Path(folder)).items()
                for pipeline in (whole, reduced)
            ]
    except ConfigError as error:
        parser.error(str(error))
    print_table(
        f'Pretraining data\n{describe_machine()}',
        rows,
        ['One core, no worker processes, files in the file cache.'],
        markdown=args.markdown,
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
