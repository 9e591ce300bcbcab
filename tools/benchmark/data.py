"""Measure how fast one core decodes and augments pretraining pictures.

python tools/benchmark/data.py
python tools/benchmark/data.py ours ours+reduced --sizes 3000x4000
python tools/benchmark/data.py --compare cv2 ours --sizes 375x500
python tools/benchmark/data.py --folder data/imagenet/train/n01440764
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from _data_report import DataRow, print_report
from _loaders import SETTINGS, Load, Work, find_min_side
from _measure import Seconds, read_peak, reset_peak
from _photos import write_photos
from _settings import SettingError
from mmcv.transforms import Compose

CONFIG = (
    Path(__file__).resolve().parents[2]
    / 'configs/_base_/datasets/imagenet_pretrain_224.py'
)
DEFAULT_SIZES = ['375x500', '768x1024', '1500x2000', '3000x4000']


def measure(
    settings: Sequence[str], work: Work, runs: int, with_memory: bool
) -> list[DataRow]:
    """Measure all settings in turn, pass by pass over the same files."""
    memories: dict[str, dict[str, int]] = {}
    if with_memory:
        for setting in settings:
            # A process for each: what one has allocated stays with it.
            context = get_context('spawn')
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                future = pool.submit(peak_memory, setting, work)
                memories[setting] = future.result()
    steps = {
        setting: (work.loader(setting), work.augment(setting))
        for setting in settings
    }
    rows = []
    for label, paths in work.groups.items():
        times = {setting: ([], []) for setting in settings}
        for turn in range(runs + 1):
            for setting, (load, augment) in steps.items():
                durations = time_pass(load, augment, paths)
                if turn:  # the first pass warms the file cache up
                    for runs_of, seconds in zip(
                        times[setting], durations, strict=True
                    ):
                        runs_of.append(seconds)
        rows += [
            DataRow(
                group=label,
                setting=setting,
                kilobytes=sum(map(os.path.getsize, paths)) / len(paths) / 1e3,
                load=Seconds(tuple(times[setting][0])),
                pipeline=Seconds(tuple(times[setting][1])),
                memory=memories.get(setting, {}).get(label),
            )
            for setting in settings
        ]
    return rows


def time_pass(
    load: Load, augment: Compose, paths: Sequence[str]
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


def peak_memory(setting: str, work: Work) -> dict[str, int]:
    """Bytes beyond what the process held before, for each group."""
    use_one_core()
    load, augment = work.loader(setting), work.augment(setting)
    cpu = torch.device('cpu')
    reset_peak(cpu)
    before = read_peak(cpu)
    peaks = {}
    for label, paths in work.groups.items():
        reset_peak(cpu)
        time_pass(load, augment, paths)
        peaks[label] = read_peak(cpu) - before
    return peaks


def use_one_core() -> None:
    """As each worker of a data loader does in OpenMMLab."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        settings = read_settings(args)
        with tempfile.TemporaryDirectory() as folder:
            groups = find_groups(args, Path(folder))
            min_side = args.min_side or find_min_side(args.config)
            work = Work(groups, args.config, min_side)
            use_one_core()
            rows = measure(settings, work, args.runs, not args.no_memory)
        print_report(
            rows,
            min_side=min_side,
            feed=args.feed,
            compares=bool(args.compare),
            markdown=args.markdown,
        )
    except SettingError as error:
        parser.error(str(error))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options of this script."""
    width = max(map(len, SETTINGS))
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='settings:\n'
        + '\n'.join(f'  {key:{width}}  {SETTINGS[key]}' for key in SETTINGS)
        + '\n\nHow to read the figures: docs/benchmarks.md',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('settings', nargs='*', help='what to measure (default: all)')
    add(
        '--compare',
        nargs=2,
        metavar=('A', 'B'),
        help='measure A and B alternately; print the ratio',
    )
    add(
        '--sizes',
        default=','.join(DEFAULT_SIZES),
        help='HEIGHTxWIDTH of generated pictures, with commas (%(default)s)',
    )
    add('--folder', help='pictures of your own (*.jpg, *.jpeg, *.JPEG)')
    add('--files', type=int, default=4, help='of each size, or of the folder')
    add('--runs', type=int, default=5, help='passes over the files')
    add('--config', default=str(CONFIG), help='whose train_pipeline to run')
    add('--min-side', type=int, help='of +reduced; default: by the crop')
    add(
        '--feed',
        type=float,
        default=1000,
        help='images/s that a GPU takes; says how many cores that needs',
    )
    add('--no-memory', action='store_true', help='leave the memory out')
    add('--markdown', action='store_true', help='print rows for the docs')
    return parser


def read_settings(args: argparse.Namespace) -> list[str]:
    """The settings that a command line names.

    Raises:
        SettingError: For what is unknown, repeated or contradictory.
    """
    if args.compare and args.settings:
        raise SettingError(
            f'give either settings {args.settings} or --compare, not both'
        )
    names = args.compare or args.settings or list(SETTINGS)
    for name in names:
        if name not in SETTINGS:
            raise SettingError(
                f'unknown setting {name!r}; choose from {list(SETTINGS)}'
            )
    if len(set(names)) < len(names):
        raise SettingError(f'{names} repeat; name each setting once')
    for flag in ('files', 'runs', 'feed', 'min_side'):
        value = getattr(args, flag)
        if value is not None and value < 1:
            flag = flag.replace('_', '-')
            raise SettingError(f'--{flag} {value} must be at least 1')
    if not Path(args.config).is_file():
        raise SettingError(f'--config {args.config} does not exist')
    return names


def find_groups(
    args: argparse.Namespace, scratch: Path
) -> dict[str, list[str]]:
    """The pictures of a folder, or generated ones of each size.

    Raises:
        SettingError: For a folder without pictures, and for wrong sizes.
    """
    if args.folder:
        found = sorted(
            str(path)
            for path in Path(args.folder).rglob('*')
            if path.suffix.lower() in ('.jpg', '.jpeg')
        )
        if not found:
            raise SettingError(f'--folder {args.folder} holds no JPEG file')
        return {Path(args.folder).name: found[: args.files]}
    groups = {}
    for text in args.sizes.split(','):
        sides = text.split('x')
        if len(sides) != 2 or not all(
            side.isdecimal() and int(side) for side in sides
        ):
            raise SettingError(
                f'--sizes {args.sizes!r}: {text!r} must be HEIGHTxWIDTH'
            )
        size = (int(sides[0]), int(sides[1]))
        groups[text] = write_photos(scratch, size, args.files)
    return groups


if __name__ == '__main__':
    sys.exit(main())
