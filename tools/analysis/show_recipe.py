"""Show what a config trains, and where it differs from the published recipe.

    python tools/analysis/show_recipe.py CONFIG [--plot rate.png]

Prints the settings beside the published ones, the parameter groups with layer,
learning rate and weight decay, the curve of the learning rate, and the
augmentations. Ends with 1 under --strict if something published differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from common import silence
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from published import PUBLISHED, Published
from recipe_settings import (
    Comparison,
    augmentations,
    compare,
    parameter_groups,
    recipe_settings,
)
from rich.console import Console
from rich.table import Table

BLOCKS = ' ▁▂▃▄▅▆▇█'
COLOURS = {'same': 'green', 'differs': 'bold red', 'unpublished': 'dim'}


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    silence()
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


def settings_table(
    name: str, published: Published | None, rows: Sequence[Comparison]
) -> Table:
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
    """Times, factors on the learning rate, and the unit of time.

    mmengine's own schedulers, with the whole training squeezed into so many
    steps.
    """
    if 'max_epochs' in cfg.train_cfg:
        end, unit = cfg.train_cfg.max_epochs, 'epochs'
    else:
        end, unit = cfg.train_cfg.max_iters, 'iterations'
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(_squeeze(scheduler, points / end), optimizer=optimizer)
        )
        for scheduler in cfg.get('param_scheduler') or []
        # A warm-up in iterations is too short to be seen in epochs.
        if unit == 'iterations' or scheduler.get('by_epoch', True)
    ]
    factors = []
    for _ in range(points):
        factors.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    times = [end * index / (points - 1) for index in range(points)]
    return times, factors, unit


def _squeeze(scheduler: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A scheduler whose times are multiplied by a factor, in iterations."""
    squeezed = dict(scheduler, by_epoch=False)
    squeezed.pop('convert_to_iter_based', None)
    for key in {'begin', 'end', 'T_max', 'step_size'} & set(squeezed):
        squeezed[key] = round(squeezed[key] * factor)
    if 'end' in squeezed:
        # mmengine's warm-up takes one step to begin, and one to end
        squeezed['end'] = max(squeezed['end'], squeezed.get('begin', 0) + 2)
    if 'milestones' in squeezed:
        squeezed['milestones'] = [
            round(step * factor) for step in squeezed['milestones']
        ]
    return squeezed


def sparkline(factors: list[float], width: int = 80) -> str:
    step = (len(factors) - 1) / (width - 1)
    picked = [factors[round(index * step)] for index in range(width)]
    top = max(picked) or 1.0
    levels = len(BLOCKS) - 1
    return ''.join(BLOCKS[round(levels * x / top)] for x in picked)


def plot(
    times: list[float], rates: list[float], unit: str, name: str, file: str
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout='constrained')
    axes = figure.subplots()
    axes.plot(times, rates)
    axes.set(xlabel=unit, ylabel='learning rate', title=name)
    axes.title.set_fontsize('small')
    figure.savefig(file, dpi=150)


if __name__ == '__main__':
    sys.exit(main())
