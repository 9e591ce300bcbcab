"""Test a trained checkpoint."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.fileio import dump
from mmengine.registry import METRICS

from convmae_mm.engine import CheckpointMatchHook
from convmae_mm.engine.any_bands import draw_any_bands
from convmae_mm.errors import ConfigError
from convmae_mm.registry import scope_of, type_name

from .config import (
    build_runner,
    existing_checkpoint,
    leave_group,
    load_config,
)
from .examination import examine, keep_in_log
from .last_words import tell_test
from .options import TestingOptions
from .rehearsal import TestRehearsal

# How each library draws: its hook, that draws every test image, and the
# visualizer that knows its predictions.
DRAWING: dict[str, dict[str, dict[str, Any]]] = {
    'mmdet': {
        'hook': dict(type='mmdet.DetVisualizationHook', draw=True),
        'visualizer': dict(type='mmdet.DetLocalVisualizer'),
    },
    'mmseg': {
        'hook': dict(type='mmseg.SegVisualizationHook', draw=True, interval=1),
        'visualizer': dict(type='mmseg.SegLocalVisualizer'),
    },
    'mmpretrain': {
        'hook': dict(
            type='mmpretrain.VisualizationHook', enable=True, interval=1
        ),
        'visualizer': dict(type='mmpretrain.UniversalVisualizer'),
    },
}


def test(
    config: str | Path, checkpoint: str | Path, **options: Any
) -> dict[str, float]:
    """Score a checkpoint on the config's test data.

    Args:
        config: Path of the config.
        checkpoint: Path of the checkpoint. It must fit the model exactly.
        **options: See :class:`convmae_mm.apis.options.TestingOptions`.

    Returns:
        The scores by name.
    """
    cfg = testing_config(config, checkpoint, **options)
    return run_test(cfg, options.get('out'), options.get('check', True))


def run_test(
    cfg: Config, out: str | Path | None = None, check: bool = True
) -> dict[str, float]:
    """Run a config from :func:`testing_config`.

    Args:
        cfg: The config.
        out: See :class:`convmae_mm.apis.options.TestingOptions`.
        check: See :class:`convmae_mm.apis.options.TestingOptions`.

    Returns:
        The scores by name.

    Raises:
        ConfigError: If ``out`` has another suffix.
        CheckpointError: If the checkpoint does not fit the model.
        ExaminationError: If it would score wrongly.
        RehearsalError: If a trial of two batches fails.
    """
    suffix = Path(TestingOptions(out=out).out or '').suffix
    told = examine(cfg, ('test',)) if check else []
    runner = build_runner(cfg)
    keep_in_log(runner.logger, told)
    runner.register_hook(CheckpointMatchHook(least_share=1))
    if check:
        runner.register_hook(TestRehearsal(), priority='VERY_HIGH')
    if suffix == '.pkl':
        runner.test_evaluator.metrics.append(_prediction_dump(cfg, out))
    scores: dict[str, float] = runner.test()
    if suffix == '.json' and is_main_process():
        Path(str(out)).parent.mkdir(parents=True, exist_ok=True)
        dump(scores, str(out), indent=2)
    tell_test(runner, scores, out)
    atexit.register(leave_group)
    return scores


def testing_config(
    config: str | Path, checkpoint: str | Path, **options: Any
) -> Config:
    """The config that a test with these options runs.

    Args:
        config: Path of the config.
        checkpoint: Path of the checkpoint.
        **options: See :class:`convmae_mm.apis.options.TestingOptions`;
            ``out`` is for :func:`run_test` and only checked here.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ConfigError: If the config has nothing to test, or no library that
            could draw it.
    """
    chosen = TestingOptions(**options)
    cfg = load_config(config, chosen)
    if cfg.get('test_cfg') is None or cfg.get('test_dataloader') is None:
        raise ConfigError(
            f'{config} has no test_cfg and test_dataloader, so there is '
            'nothing to test; pretraining has no score'
        )
    cfg.load_from = existing_checkpoint(checkpoint)
    cfg.resume = False
    if chosen.show_dir is not None:
        _draw_into(cfg, Path(chosen.show_dir).resolve())
    return cfg


def _draw_into(cfg: Config, folder: Path) -> None:
    scope = scope_of(cfg)
    if scope not in DRAWING:
        raise ConfigError(
            f'nothing draws results of default_scope={scope!r}; it must be '
            f'one of {sorted(DRAWING)}'
        )
    draw_any_bands(scope)
    hook = dict(DRAWING[scope]['hook'])
    visualizer = dict(DRAWING[scope]['visualizer'])
    # the curves of the user's backends go on
    backends = list((cfg.get('visualizer') or {}).get('vis_backends') or ())
    if backends:
        visualizer['vis_backends'] = backends
    if scope == 'mmdet':
        hook['test_out_dir'] = str(folder)
    elif scope == 'mmpretrain':
        hook['out_dir'] = str(folder)
    else:
        # mmseg's hook writes where its visualizer does.
        visualizer['save_dir'] = str(folder)
        if not any(type_name(x) == 'LocalVisBackend' for x in backends):
            backends.append(dict(type='LocalVisBackend'))
        visualizer['vis_backends'] = backends
    hooks = cfg.get('default_hooks') or {}
    cfg.default_hooks = dict(hooks, visualization=hook)
    cfg.visualizer = visualizer


def _prediction_dump(cfg: Config, out: str | Path | None) -> DumpResults:
    """The collector of all predictions; mmdet's own compresses the masks."""
    scope = scope_of(cfg)
    kind = 'mmdet.DumpDetResults' if scope == 'mmdet' else 'DumpResults'
    return METRICS.build(dict(type=kind, out_file_path=str(out)))
