"""Show what a config trains, and where it differs from the published recipe.

    python tools/analysis/show_recipe.py CONFIG [--plot rate.png]

Prints the settings beside the published ones, the parameter groups with layer,
learning rate and weight decay, the curve of the learning rate, and the
augmentations. Ends with 1 under --strict if something published differs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from convmae_mm.recipes.published import PUBLISHED
from convmae_mm.recipes.schedule import rate_factor
from convmae_mm.recipes.settings import (
    augmentations,
    compare,
    parameter_groups,
    recipe_settings,
)

BLOCKS = ' ▁▂▃▄▅▆▇█'
COLOURS = {'same': 'green', 'differs': 'bold red', 'unpublished': 'dim'}


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    # Every parameter that mmengine sorts into a group would be a line.
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')
    cfg = Config.fromfile(args.config)
    console = Console(width=args.width)
    name = Path(args.config).stem
    published = PUBLISHED.get(name)
    rows = compare(recipe_settings(cfg), published)
    console.print(settings_table(name, published, rows))
    console.print(groups_table(cfg))
    times, factors, unit = curve(cfg)
    rate = cfg.optim_wrapper.optimizer.lr
    console.print(f'\nLearning rate from 0 to {times[-1]:g} {unit}, at most')
    console.print(f'{rate * max(factors):g} in the last layer:')
    console.print(sparkline(factors))
    console.print('\nAugmentation, in this order:')
    for line in augmentations(cfg):
        console.print(f'  {line}', markup=False, soft_wrap=True)
    if args.plot:
        plot(times, [rate * x for x in factors], unit, name, args.plot)
        console.print(f'\nPlot: {args.plot}')
    different = [row.name for row in rows if row.verdict == 'differs']
    if different and args.strict:
        console.print(f'Differs: {", ".join(different)}', style='bold red')
        return 1
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0],
    )
    parser.add_argument('config', help='path of a config that trains')
    parser.add_argument(
        '--plot', metavar='FILE', help='write the learning rate as a picture'
    )
    parser.add_argument(
        '--strict',
        action='store_true',
        help='end with 1 if a setting differs from the published one',
    )
    parser.add_argument(
        '--width', type=int, default=110, help='of the text, in columns'
    )
    return parser.parse_args(argv)


def settings_table(name, published, rows) -> Table:
    source = published.what if published else 'nothing is published for it'
    table = Table(title=f'{name}\npublished: {source}', title_justify='left')
    for column in ('setting', 'this config', 'published', ''):
        table.add_column(column)
    for row in rows:
        known = row.verdict != 'unpublished'
        table.add_row(
            row.name,
            '-' if row.ours is None else show(row.ours),
            show(row.published) if known else '-',
            row.verdict if known else '',
            style=COLOURS[row.verdict],
        )
    return table


def groups_table(cfg: Config) -> Table:
    table = Table(title='Parameter groups', title_justify='left')
    for column in ('layer', 'rate', 'decay', 'tensors', 'parameters'):
        table.add_column(column, justify='right')
    table.add_column('first of them')
    for group in parameter_groups(cfg):
        table.add_row(
            str(group.layer),
            f'{group.rate:.3g}',
            f'{group.weight_decay:g}',
            str(group.tensors),
            f'{group.params:,}',
            group.example,
        )
    return table


def show(value: object) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)


def curve(
    cfg: Config, points: int = 401
) -> tuple[list[float], list[float], str]:
    """Times, factors on the learning rate, and the unit of time."""
    if 'max_epochs' in cfg.train_cfg:
        end, unit = cfg.train_cfg.max_epochs, 'epochs'
    else:
        end, unit = cfg.train_cfg.max_iters, 'iterations'
    schedulers = cfg.get('param_scheduler') or []
    mixed = unit == 'epochs' and any(
        not scheduler.get('by_epoch', True) for scheduler in schedulers
    )
    if mixed:
        # A warm-up in iterations is too short to be seen in epochs.
        schedulers = [x for x in schedulers if x.get('by_epoch', True)]
    times = [end * index / (points - 1) for index in range(points)]
    return times, [rate_factor(schedulers, time) for time in times], unit


def sparkline(factors: list[float], width: int = 80) -> str:
    step = (len(factors) - 1) / (width - 1)
    picked = [factors[round(index * step)] for index in range(width)]
    top = max(picked) or 1.0
    levels = len(BLOCKS) - 1
    return ''.join(BLOCKS[round(levels * x / top)] for x in picked)


def plot(times, rates, unit: str, name: str, file: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout='constrained')
    axes = figure.subplots()
    axes.plot(times, rates)
    axes.set(xlabel=unit, ylabel='learning rate', title=name)
    axes.title.set_fontsize('small')
    figure.savefig(file, dpi=150)


if __name__ == '__main__':
    sys.exit(main())
