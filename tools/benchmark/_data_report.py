"""The table of ``data.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from _measure import Seconds
from _report import describe_machine, print_table, spread


@dataclass(frozen=True)
class DataRow:
    """What one setting reaches on one group of files.

    Attributes:
        group: Their size in pixels, or the name of their folder.
        setting: How they are loaded.
        kilobytes: Mean size of a file.
        load: Seconds per picture to load it, in each pass.
        pipeline: The same to load and augment it.
        memory: Peak in bytes beyond the libraries; None if not asked for.
    """

    group: str
    setting: str
    kilobytes: float
    load: Seconds
    pipeline: Seconds
    memory: int | None

    @property
    def images_per_second(self) -> float:
        """Of the whole pipeline on one core, at the median."""
        return 1 / self.pipeline.median


def columns(feed: float) -> list[str]:
    """Headings of the table."""
    return [
        'pictures (mean kB)',
        'setting',
        'ms to load: median (min to max)',
        'ms with augmentation',
        'images/s per core',
        'peak MiB',
        f'cores for {feed:g} images/s',
    ]


def cells(row: DataRow, feed: float) -> list[str]:
    """The row as text, in the order of ``columns``."""
    memory = '-' if row.memory is None else f'{row.memory / 2**20:.0f}'
    return [
        f'{row.group} ({row.kilobytes:.0f})',
        row.setting,
        *(
            f'{seconds.median * 1e3:.2f} '
            f'({min(seconds.runs) * 1e3:.2f} to {max(seconds.runs) * 1e3:.2f})'
            for seconds in (row.load, row.pipeline)
        ),
        f'{row.images_per_second:.0f}',
        memory,
        f'{feed / row.images_per_second:.1f}',
    ]


def print_report(
    rows: Sequence[DataRow],
    *,
    min_side: int,
    feed: float,
    compares: bool,
    markdown: bool,
) -> None:
    """Print the table, and for a comparison the ratio at each size."""
    notes = []
    if compares:
        for a, b in zip(rows[::2], rows[1::2], strict=True):
            for what, x, y in (
                ('loading', a.load, b.load),
                ('pipeline', a.pipeline, b.pipeline),
            ):
                ratio = f'{a.group}: {a.setting} / {b.setting}, {what}'
                notes.append(f'{ratio}: {spread(x, y)}')
    notes += [
        f'+reduced leaves at least {min_side} pixels of each side.',
        'One core, no worker processes, files in the file cache; no FLOPs are '
        'counted here.',
    ]
    print_table(
        f'Pretraining data\n{describe_machine()}',
        columns(feed),
        [cells(row, feed) for row in rows],
        notes,
        markdown=markdown,
    )
