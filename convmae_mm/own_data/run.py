"""From pictures to a trained and scored network: a list of our commands."""

from __future__ import annotations

import json
import shlex

from rich.console import Console
from rich.table import Table

from convmae_mm.engine.hooks.progress_line import format_duration
from convmae_mm.errors import ConfigError
from convmae_mm.processes import own_folder
from convmae_mm.report.training import MAIN_SCORES, SCORE_NAMES

from .board import Board
from .machine import this_machine
from .order import SCRATCH, Run
from .record import RunFile
from .trainings import Trainings


def run(order: Run, console: Console | None = None) -> RunFile:
    """Check, pretrain, train, score and report, or what is left of it.

    Raises:
        UserError: For data or options that are wrong, before anything is
            trained; and if a step fails.
    """
    console = console or Console(soft_wrap=True)
    order.check()
    with own_folder(order.work_dir):
        record = RunFile(order.work_dir)
        _check_same(order, record)
        record.update(key=order.key(), task=order.tasks[0].task)
        Trainings(order, record, this_machine(), Board(console)).run()
    _tell(order, record, console)
    return record


def _check_same(order: Run, record: RunFile) -> None:
    old, new = record.content.get('key'), json.loads(json.dumps(order.key()))
    if old is None or old == new:
        return
    changed = [name for name in new if new[name] != old.get(name)]
    raise ConfigError(
        f'{order.work_dir} holds a run with other {" and ".join(changed)}, '
        f'such as {old.get(changed[0])}: choose another --work-dir'
    )


def _tell(order: Run, record: RunFile, console: Console) -> None:
    """What was reached, where it is, what to type next."""
    table = Table(title='Scores on the validation pictures')
    heads = ['', 'score', 'trained', 'from scratch']
    for head in heads if order.compare_scratch else heads[:3]:
        table.add_column(head)
    for data in order.tasks:
        arms = [x for x in order.arms if x.removesuffix(SCRATCH) == data.task]
        found = [record.steps[f'{x} scores']['scores'] for x in arms]
        for name, scale in MAIN_SCORES.items():
            if name in found[0]:
                cells = [f'{scores[name] / scale:.3f}' for scores in found]
                table.add_row(data.task, SCORE_NAMES[name], *cells)
    console.print(table)
    work_dir = order.work_dir
    lines = [f'Time: {format_duration(record.content["seconds"])}']
    for data in order.tasks:
        step = record.steps[data.task]
        lines.append(f'Config: {work_dir / data.task}.py')
        lines.append(f'Checkpoint: {step["checkpoint"]}')
    lines.append(f'Report: {work_dir / "report.html"}')
    places = [work_dir]
    if len(order.tasks) > 1:
        places = [work_dir / data.task for data in order.tasks]
    lines += [
        f'Next: convmae-mm predict {shlex.quote(str(x))} NEW_PICTURES'
        for x in places
    ]
    console.print('\n'.join(lines), highlight=False)
