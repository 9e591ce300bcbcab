"""Test a trained checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.fileio import dump
from mmengine.registry import METRICS

from convmae_mm.engine import CheckpointMatchHook

from .config import build_runner, existing_checkpoint, load_config

OUT_SUFFIXES = ('.json', '.pkl')

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
    config: str | Path,
    checkpoint: str | Path,
    *,
    out: str | Path | None = None,
    **options: Any,
) -> dict[str, float]:
    """Score a checkpoint on the config's test data.

    Args:
        config: Path of the config.
        checkpoint: Path of the checkpoint. It must fit the model exactly.
        out: See :func:`run_test`.
        **options: See :func:`testing_config`.

    Returns:
        The scores by name.
    """
    return run_test(testing_config(config, checkpoint, **options), out)


def run_test(cfg: Config, out: str | Path | None = None) -> dict[str, float]:
    """Run a config from :func:`testing_config`.

    Args:
        cfg: The config.
        out: Where to write the scores (``.json``) or all predictions
            (``.pkl``, in the form of mmengine's offline evaluation).

    Returns:
        The scores by name.

    Raises:
        ValueError: If ``out`` has another suffix, or the checkpoint does not
            fit the model.
    """
    suffix = None if out is None else Path(out).suffix
    if suffix not in (None, *OUT_SUFFIXES):
        raise ValueError(f'out={str(out)!r} must end in {OUT_SUFFIXES}')
    runner = build_runner(cfg)
    runner.register_hook(CheckpointMatchHook(), priority='LOWEST')
    if suffix == '.pkl':
        runner.test_evaluator.metrics.append(_prediction_dump(cfg, out))
    scores: dict[str, float] = runner.test()
    if suffix == '.json' and is_main_process():
        Path(str(out)).parent.mkdir(parents=True, exist_ok=True)
        dump(scores, str(out), indent=2)
    return scores


def testing_config(
    config: str | Path,
    checkpoint: str | Path,
    *,
    work_dir: str | Path | None = None,
    show_dir: str | Path | None = None,
    launcher: str = 'none',
    cfg_options: Mapping[str, Any] | None = None,
) -> Config:
    """The config that a test with these options runs.

    Args:
        config: Path of the config.
        checkpoint: Path of the checkpoint.
        work_dir: See :func:`convmae_mm.apis.config.load_config`.
        show_dir: Where to put the test images with their predictions drawn.
        launcher: See :func:`convmae_mm.apis.config.load_config`.
        cfg_options: Overrides of the config, from dotted keys to values.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the config has nothing to test, or no library that
            could draw it.
    """
    cfg = load_config(config, work_dir, launcher, cfg_options)
    if cfg.get('test_cfg') is None or cfg.get('test_dataloader') is None:
        raise ValueError(
            f'{config} has no test_cfg and test_dataloader, so there is '
            'nothing to test; pretraining has no score'
        )
    cfg.load_from = existing_checkpoint(checkpoint)
    cfg.resume = False
    if show_dir is not None:
        _draw_into(cfg, Path(show_dir).resolve())
    return cfg


def _draw_into(cfg: Config, folder: Path) -> None:
    scope = cfg.get('default_scope')
    if scope not in DRAWING:
        raise ValueError(
            f'nothing draws results of default_scope={scope!r}; it must be '
            f'one of {sorted(DRAWING)}'
        )
    hook = dict(DRAWING[scope]['hook'])
    visualizer = dict(DRAWING[scope]['visualizer'])
    if scope == 'mmdet':
        hook['test_out_dir'] = str(folder)
    elif scope == 'mmpretrain':
        hook['out_dir'] = str(folder)
    else:
        # mmseg's hook writes where its visualizer does.
        visualizer['save_dir'] = str(folder)
        visualizer['vis_backends'] = [dict(type='LocalVisBackend')]
    hooks = cfg.get('default_hooks') or {}
    cfg.default_hooks = dict(hooks, visualization=hook)
    cfg.visualizer = visualizer


def _prediction_dump(cfg: Config, out: str | Path | None) -> DumpResults:
    """The collector of all predictions; mmdet's own compresses the masks."""
    scope = cfg.get('default_scope')
    kind = 'mmdet.DumpDetResults' if scope == 'mmdet' else 'DumpResults'
    return METRICS.build(dict(type=kind, out_file_path=str(out)))
