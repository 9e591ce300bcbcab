"""Say what was measured: the machine, the table, the ratio."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from _measure import Measurement, Memory, Seconds
from rich.console import Console
from rich.table import Table

COLUMNS = (
    'setting',
    'seconds: median (min to max)',
    'images/s',
    'peak GiB (net)',
    'GFLOP',
    'GFLOP/s',
    'of matrix rate',
)


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


def cells(row: Measurement) -> list[str]:
    """The row of a measurement, as text, in the order of ``COLUMNS``."""
    return [
        row.name,
        time_cell(row.seconds),
        f'{row.images_per_second:.4g}',
        memory_cell(row.memory),
        f'{row.flops / 1e9:.4g}',
        f'{row.rate / 1e9:.4g}',
        f'{row.rate / row.matrix_rate:.0%}',
    ]


def time_cell(seconds: Seconds) -> str:
    """Median, minimum and maximum."""
    runs = seconds.runs
    return f'{seconds.median:.4g} ({min(runs):.4g} to {max(runs):.4g})'


def memory_cell(memory: Memory | None) -> str:
    """Peak, in brackets without what was there before, in GiB."""
    if memory is None:
        return '-'
    peak = f'{memory.peak / 2**30:.2f}'
    if not memory.before:
        return peak
    return f'{peak} ({(memory.peak - memory.before) / 2**30:.2f})'


def spread(a: Seconds, b: Seconds) -> str:
    """How many times as long A takes as B, and how sure that is."""
    pairs = [x / y for x, y in zip(a.runs, b.runs, strict=True)]
    return (
        f'{a.median / b.median:.3f} times the time (pairs {min(pairs):.3f} to '
        f'{max(pairs):.3f}, median {statistics.median(pairs):.3f})'
    )


def ratio_line(a: Measurement, b: Measurement) -> str:
    """A over B, in all that was measured."""
    text = (
        f'{a.name} / {b.name}: {spread(a.seconds, b.seconds)}, '
        f'{a.flops / b.flops:.3f} times the FLOPs'
    )
    if a.memory is not None and b.memory is not None:
        text += f', {a.memory.peak / b.memory.peak:.3f} times the peak memory'
    return text


def print_report(
    title: str,
    rows: Sequence[Measurement],
    *,
    device: torch.device | str,
    notes: Sequence[str],
    compares: bool,
    markdown: bool,
) -> None:
    """Print what was measured.

    Args:
        title: What it was.
        rows: The measurements.
        device: Where.
        notes: What the figures mean.
        compares: Whether the rows are A and B of a comparison.
        markdown: Rows for the docs instead of a drawn table.
    """
    ratio = [ratio_line(rows[0], rows[1])] if compares else []
    print_table(
        f'{title}\n{describe_machine(device)}',
        COLUMNS,
        [cells(row) for row in rows],
        [*ratio, *notes],
        markdown=markdown,
    )


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    *,
    markdown: bool,
) -> None:
    """Print a table and notes, drawn or in Markdown."""
    if markdown:
        print(f'{title}\n')
        for row in (columns, ['---'] * len(columns), *rows):
            print('| ' + ' | '.join(row) + ' |')
        print('\n' + '\n'.join(notes))
        return
    console = Console()
    if not console.is_terminal:
        # A pipe or a file has no width; figures must not be cut there.
        console = Console(width=140)
    table = Table(title=title, title_justify='left')
    for index, column in enumerate(columns):
        table.add_column(column, justify='right' if index else 'left')
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in notes:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
