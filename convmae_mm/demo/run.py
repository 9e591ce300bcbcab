"""Run the whole demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from convmae_mm.engine.hooks.progress_line import format_duration

from .board import make_board
from .pipeline import Pipeline
from .settings import FAST, DemoSettings
from .steps import build_steps
from .summary import (
    Plan,
    Score,
    count_cores,
    read_demo_scores,
    read_timings,
)


def run_demo(
    work_dir: Path,
    fast: bool = False,
    jobs: int | None = None,
    **settings: int,
) -> None:
    """Run the demo in a folder, or what is left of it.

    Args:
        work_dir: Gets everything the demo writes.
        fast: Start from the tiny settings, ``FAST``.
        jobs: How many steps run at the same time; by default two if there is
            more than one core. Two small networks on a core each learn
            faster than one after the other on both.
        **settings: Fields of :class:`DemoSettings`.

    Raises:
        UserError: If a step fails, with the end of its log.
        ValueError: For a setting out of range.
    """
    chosen = replace(FAST if fast else DemoSettings(), **settings)
    steps = build_steps(chosen)
    if jobs is None:
        jobs = min(2, count_cores())
    plan = Plan.of(chosen, steps, jobs)
    pipeline = Pipeline(work_dir, make_board(), jobs)
    pipeline.run(plan, steps)
    _print_outcome(work_dir, plan)


def _print_outcome(work_dir: Path, plan: Plan) -> None:
    console = Console()
    console.print(_score_table(read_demo_scores(work_dir, plan)))
    timings = read_timings(work_dir, plan)
    text = f'Time: {format_duration(timings.together)}'
    if timings.setup is not None:
        text += f', and {format_duration(timings.setup)} for the set-up'
    console.print(text)
    console.print(f'Report: {work_dir / "report.html"}', soft_wrap=True)
    console.print(f'        {work_dir / "report.md"}', soft_wrap=True)


def _score_table(scores: list[Score]) -> Table:
    table = Table(title='Scores on held-out scenes')
    table.add_column('Model')
    table.add_column('Score')
    table.add_column('Pretrained', justify='right')
    table.add_column('From scratch', justify='right')
    for score in scores:
        table.add_row(
            score.model,
            score.name,
            f'{score.pretrained:.3f}',
            f'{score.scratch:.3f}',
        )
    return table
