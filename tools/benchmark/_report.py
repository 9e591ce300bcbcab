"""Say what was measured: the machine, the table, the ratio."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from _measure import TRAINING_FLOPS, Measurement, Memory
from rich.console import Console
from rich.table import Table

NOTES = (
    f'GFLOP: counted on a forward pass; times {TRAINING_FLOPS} for a training '
    'step.',
    'Peak: of the whole process on a CPU; in brackets without what Python and '
    'its libraries held before.',
)

TOO_LARGE = 'not enough memory: take smaller batches or images'


def describe_machine(device: torch.device | str = 'cpu') -> str:
    """One line: processor, threads, versions, date."""
    device = torch.device(device)
    parts = [
        f'{_processor()}, {os.cpu_count()} cores, '
        f'{torch.get_num_threads()} threads'
    ]
    if device.type == 'cuda':
        parts.insert(0, torch.cuda.get_device_name(device))
    parts += [
        f'torch {torch.__version__}',
        f'Python {platform.python_version()}',
        datetime.date.today().isoformat(),
    ]
    return '; '.join(parts)


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def cells(row: Measurement) -> dict[str, str]:
    """What a row says, by the headings of the columns."""
    peak = memory_cell(row.memory) if row.fits else TOO_LARGE
    text = {**row.labels, 'peak GiB (net)': peak}
    if row.seconds:
        median = statistics.median(row.seconds)
        text['seconds: median (min to max)'] = time_cell(row.seconds)
        text['images/s'] = f'{row.images / median:.4g}'
        if row.flops is not None:
            rate = row.flops / median
            text['GFLOP'] = f'{row.flops / 1e9:.4g}'
            text['GFLOP/s'] = f'{rate / 1e9:.4g}'
            text['of matrix rate'] = f'{rate / row.matrix_rate:.0%}'
    return text


def time_cell(runs: Sequence[float]) -> str:
    """Median, minimum and maximum."""
    median = statistics.median(runs)
    return f'{median:.4g} ({min(runs):.4g} to {max(runs):.4g})'


def memory_cell(memory: Memory | None) -> str:
    """Peak, in brackets without what was there before, in GiB."""
    if memory is None:
        return '-'
    peak = f'{memory.peak / 2**30:.2f}'
    if not memory.before:
        return peak
    return f'{peak} ({(memory.peak - memory.before) / 2**30:.2f})'


def ratio_line(a: Measurement, b: Measurement) -> str:
    """How many times as much A takes as B, and how sure that is."""
    names = ' / '.join(' '.join(x.labels.values()) for x in (a, b))
    said = []
    if a.seconds:
        pairs = [x / y for x, y in zip(a.seconds, b.seconds, strict=True)]
        ratio = statistics.median(a.seconds) / statistics.median(b.seconds)
        said.append(
            f'{ratio:.3f} times the time (pairs {min(pairs):.3f} to '
            f'{max(pairs):.3f}, median {statistics.median(pairs):.3f})'
        )
    if a.flops and b.flops:
        said.append(f'{a.flops / b.flops:.3f} times the FLOPs')
    if a.memory and b.memory:
        peaks = a.memory.peak / b.memory.peak
        said.append(f'{peaks:.3f} times the peak memory')
    return f'{names}: {", ".join(said)}'


def print_table(
    title: str,
    rows: Sequence[Mapping[str, str]],
    notes: Sequence[str],
    *,
    markdown: bool,
) -> None:
    """Print a table and notes, drawn or in Markdown.

    Args:
        title: Above them.
        rows: Text by the heading of its column; what is missing is '-'.
        notes: Below them.
        markdown: Rows for the docs instead of a drawn table.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[row.get(key, '-') for key in columns] for row in rows]
    if markdown:
        print(f'{title}\n')
        for line in (columns, ['---'] * len(columns), *lines):
            print('| ' + ' | '.join(line) + ' |')
        print('\n' + '\n'.join(notes))
        return
    console = Console()
    if not console.is_terminal:
        # A pipe or a file has no width; figures must not be cut there.
        console = Console(width=140)
    table = Table(title=title, title_justify='left')
    for index, column in enumerate(columns):
        table.add_column(column, justify='right' if index else 'left')
    for line in lines:
        table.add_row(*line)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
