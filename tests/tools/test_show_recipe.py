"""Recipes are shown as they are, and compared with the published ones."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from convmae_mm.recipes.published import PUBLISHED
from convmae_mm.recipes.schedule import rate_factor
from convmae_mm.recipes.settings import (
    compare,
    parameter_groups,
    recipe_settings,
)

ROOT = Path(__file__).parents[2]
CONFIGS = {
    path.stem: path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
}
# What differs from the published recipe, on purpose.
DIFFERENCES = {
    # float32, because mmcv's compiled RoIAlign has no bfloat16; --amp is
    # float16, as released
    'mask-rcnn': {'precision'},
    # we take the mean over all positions, not the first one
    'linear': {'pooling'},
}


@pytest.fixture(autouse=True)
def log_level():
    """The tool silences mmengine; other tests read its log."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        yield
    logger.setLevel(before)


def tool():
    path = ROOT / 'tools' / 'analysis' / 'show_recipe.py'
    spec = importlib.util.spec_from_file_location('show_recipe', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_published_recipe_is_shipped():
    assert set(PUBLISHED) <= set(CONFIGS)


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_the_recipe_is_the_published_one(name: str) -> None:
    settings = recipe_settings(Config.fromfile(CONFIGS[name]))
    rows = compare(settings, PUBLISHED[name])
    differing = {row.name for row in rows if row.verdict == 'differs'}
    allowed = {
        item
        for part, items in DIFFERENCES.items()
        if part in name
        for item in items
    }
    assert differing == (allowed if PUBLISHED[name].recipe else set())


def test_a_changed_recipe_differs():
    name = 'upernet_convmae-base_160k_ade20k-512x512'
    cfg = Config.fromfile(CONFIGS[name])
    cfg.optim_wrapper.optimizer.lr = 2e-4
    cfg.train_dataloader.dataset.pipeline[4].prob = 0.3
    rows = compare(recipe_settings(cfg), PUBLISHED[name])
    assert {row.name for row in rows if row.verdict == 'differs'} == {
        'learning rate',
        'flip',
    }


def test_what_is_published_and_missing_differs():
    rows = compare({}, PUBLISHED['convmae-base_8xb128-amp-coslr-100e_in1k'])
    assert {row.verdict for row in rows} == {'differs'}


def test_groups_of_the_segmentor():
    name = 'upernet_convmae-base-seg_160k_ade20k-512x512'
    groups = parameter_groups(Config.fromfile(CONFIGS[name]))
    assert {group.layer for group in groups} == set(range(13))
    for group in groups:
        assert group.rate == pytest.approx(1e-4 * 0.75 ** (12 - group.layer))
        assert group.weight_decay in (0, 0.05)
    total = sum(group.params for group in groups)
    assert total == pytest.approx(160.18e6, rel=1e-3)


def stepped(schedulers: list[dict], steps: int) -> list[float]:
    """The factors as mmengine multiplies them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    wrapper = OptimWrapper(optimizer)
    built = [
        PARAM_SCHEDULERS.build(dict(cfg, optimizer=wrapper))
        for cfg in schedulers
    ]
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            scheduler.step()
    return rates


WARMUP = dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=10)


@pytest.mark.parametrize(
    'decay',
    [
        dict(type='CosineAnnealingLR', T_max=90, begin=10, end=100),
        dict(
            type='CosineAnnealingLR',
            T_max=90,
            begin=10,
            end=100,
            eta_min_ratio=0.1,
        ),
        dict(type='PolyLR', power=1.0, eta_min=0.0, begin=10, end=100),
        dict(type='MultiStepLR', milestones=[40, 70], gamma=0.1, end=100),
    ],
    ids=lambda decay: decay['type'],
)
def test_formulas_of_the_schedules(decay: dict) -> None:
    schedulers = [WARMUP, dict(decay, by_epoch=False)]
    expected = stepped(schedulers, 100)
    ours = [rate_factor(schedulers, time) for time in range(100)]
    # In the step where one takes over, mmengine is one step behind.
    assert ours == pytest.approx(expected, abs=0.02)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match='ExponentialLR'):
        rate_factor([dict(type='ExponentialLR', gamma=0.9)], 1)


@pytest.mark.slow
def test_the_tool_shows_and_plots(tmp_path, capsys) -> None:
    name = 'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco'
    plot = tmp_path / 'rate.png'
    main = tool().main
    assert main([str(CONFIGS[name]), '--plot', str(plot)]) == 0
    text = capsys.readouterr().out
    for part in (
        'released detector 2',
        'x0.1 at 163889, 177546',
        'differs',
        'backbone.pos_embed',
        'RandomResize(',
        '█',
    ):
        assert part in text
    assert plot.stat().st_size > 5_000
    assert main([str(CONFIGS[name]), '--strict']) == 1
