"""The last words of a run: what was reached, where it is, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from convmae_mm.engine.hooks.progress_line import format_duration

from .load import find_checkpoint


def tell_training(runner: Runner, seconds: float) -> None:
    """Say what a training reached, where it is and what to type next.

    Args:
        runner: Whose training has ended.
        seconds: That it took.
    """
    if not is_main_process():
        return
    folder = Path(runner.cfg.work_dir)
    lines = [f'Trained to step {runner.iter} in {format_duration(seconds)}']
    lines += [f'Best {name}: {score:.4g}' for name, score in _best(runner)]
    try:
        lines.append(f'Checkpoint: {find_checkpoint(folder)}')
    except FileNotFoundError:
        pass  # a config may leave them out
    lines.append(f'Log: {folder / Path(runner.log_dir).name}')
    lines.append(f'Next: convmae-mm report {quote(str(folder))}')
    if runner.cfg.get('test_cfg') is None:
        lines.append(
            f'or: convmae-mm new detector --encoder {quote(str(folder))} ...'
        )
    print('\n'.join(lines), flush=True)


def tell_test(
    runner: Runner, scores: Mapping[str, float], out: str | Path | None
) -> None:
    """Say what a test found and wrote, and what to type next.

    Args:
        runner: Whose test has ended.
        scores: By name.
        out: A file that was asked for.
    """
    if not is_main_process():
        return
    lines = [f'{name}: {score}' for name, score in scores.items()]
    if out is not None:
        lines.append(f'Written: {out}')
    lines.append(
        f'Log: {Path(runner.cfg.work_dir, Path(runner.log_dir).name)}'
    )
    lines.append(f'Next: convmae-mm report {quote(str(runner.cfg.load_from))}')
    print('\n'.join(lines), flush=True)


def _best(runner: Runner) -> list[tuple[str, float]]:
    """The scores that picked the best checkpoints, with their names."""
    names = [
        name
        for hook in runner.hooks
        if isinstance(hook, CheckpointHook)
        for name in getattr(hook, 'key_indicators', ())
    ]
    info = runner.message_hub.runtime_info
    found = [(x, info.get(f'best_score_{x}')) for x in names]
    if len(names) == 1:
        found = [(names[0], info.get('best_score'))]
    return [(name, float(score)) for name, score in found if score is not None]
