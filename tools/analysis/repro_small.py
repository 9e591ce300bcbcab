"""Run every shipped recipe, shrunk, from end to end on two CPU cores.

    python tools/analysis/repro_small.py [--only PATTERN] [--steps 2]

Pretraining comes first; every other recipe starts from the encoder that its
config names, so that what is handed on is tried too. Each trains a few steps
on DigitScenes, validates, writes a checkpoint and tests it. Scores mean
nothing. Ends with 1 if a recipe fails, and says which.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from common import silence
from mmengine.config import Config
from rich.console import Console
from rich.table import Table
from shrink import shrink_config, starting_checkpoint, unformatted

from convmae_mm import apis
from convmae_mm.apis.config import find_config
from convmae_mm.datasets.digit_scenes import generate_digit_scenes

# What a k-nearest-neighbour evaluation has to be given.
KNN_ENCODER = 'convmae-base_24xb128-amp-coslr-1600e_in1k'


@dataclass(frozen=True)
class Outcome:
    """What became of one recipe; ``error`` is None if it ran."""

    name: str
    seconds: float
    result: str
    error: str | None = None


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    console = Console()
    silence()
    work = Path(args.work_dir)
    data = work / 'digit_scenes'
    generate_digit_scenes(data, train=8, val=4, progress=False)
    recipes = select(args.only)
    outcomes = []
    for number, path in enumerate(recipes, start=1):
        console.print(f'{number:3}/{len(recipes)} {path.stem}')
        outcomes.append(attempt(path, data, work, args.steps))
        if outcomes[-1].error:
            console.print(outcomes[-1].error, style='red', markup=False)
    console.print(report(outcomes))
    failed = [outcome.name for outcome in outcomes if outcome.error]
    if failed:
        console.print(f'{len(failed)} failed: {", ".join(failed)}')
    return 1 if failed else 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--only',
        metavar='PATTERN',
        default='*',
        help='names of recipes, with * and ?; what they start from comes too',
    )
    parser.add_argument('--steps', type=int, default=2, help='of training')
    parser.add_argument(
        '--work-dir', metavar='DIR', default='work_dirs/repro_small'
    )
    return parser.parse_args(argv)


def select(pattern: str) -> list[Path]:
    """The chosen recipes, each after the ones that it starts from."""
    configs = find_config('_base_/default_runtime.py').parents[1]
    known = {
        path.stem: path
        for path in sorted(configs.rglob('*.py'))
        if '_base_' not in path.parts
    }
    chosen = [name for name in known if fnmatch.fnmatch(name, pattern)]
    if not chosen:
        raise SystemExit(f'no recipe is called {pattern!r}')
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        source = source_of(Config.fromfile(known[name]))
        if source in known and source not in ordered:
            add(source)
        ordered[name] = known[name]

    for name in chosen:
        add(name)
    return list(ordered.values())


def source_of(cfg: Config) -> str | None:
    """The recipe whose checkpoint a config starts from."""
    if 'gallery' in cfg.model:
        return KNN_ENCODER
    file = starting_checkpoint(cfg.model)
    return Path(file).parent.name if file else None


def attempt(path: Path, data: Path, work: Path, steps: int) -> Outcome:
    start = time.perf_counter()
    folder = work / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # pycocotools prints, and asks no logger
        with (folder / 'printed.txt').open('w') as file:
            with contextlib.redirect_stdout(file):
                result, error = run(path, data, work, steps), None
    except Exception:
        # The others are worth trying; this one is reported.
        result, error = 'failed', traceback.format_exc()
    return Outcome(path.stem, time.perf_counter() - start, result, error)


def run(path: Path, data: Path, work: Path, steps: int) -> str:
    """Train and test one recipe; returns what to tell about it."""
    cfg = Config.fromfile(path)
    source = source_of(cfg)
    encoder = last_checkpoint(work / source) if source else None
    small = shrink_config(cfg, data, steps, encoder)
    small.log_level = 'ERROR'
    folder = work / path.stem
    file = folder / path.name
    small.dump(file)
    told = []
    checkpoint = encoder
    if small.get('train_cfg'):
        training = apis.training_config(file, work_dir=folder, seed=0)
        runner = apis.run_training(unformatted(training))
        loss = runner.message_hub.get_scalar('train/loss').current()
        told.append(f'loss {loss:.3g}')
        checkpoint = last_checkpoint(folder)
    if small.get('test_cfg') and checkpoint:
        testing = apis.testing_config(file, checkpoint, work_dir=folder)
        scores = apis.run_test(unformatted(testing))
        name, value = next(
            (x for x in scores.items() if 'mIoU' in x[0]),
            next(iter(scores.items())),
        )
        told.append(f'{name} {value:.3g}')
    return ', '.join(told)


def last_checkpoint(folder: Path) -> Path:
    name = folder / 'last_checkpoint'
    if not name.is_file():
        raise FileNotFoundError(f'{folder} has no checkpoint: did it run?')
    return folder / Path(name.read_text().strip()).name


def report(outcomes: list[Outcome]) -> Table:
    table = Table(title='Shrunk recipes; the numbers mean nothing')
    table.add_column('recipe')
    table.add_column('s', justify='right')
    table.add_column('result')
    for outcome in outcomes:
        style = 'red' if outcome.error else None
        table.add_row(
            outcome.name,
            f'{outcome.seconds:.0f}',
            outcome.result,
            style=style,
        )
    total = sum(outcome.seconds for outcome in outcomes)
    table.add_section()
    table.add_row(f'{len(outcomes)} recipes', f'{total:.0f}', '')
    return table


if __name__ == '__main__':
    sys.exit(main())
