"""Recipes are shown as they are, and compared with the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from published import PUBLISHED
from recipe_settings import compare, parameter_groups, recipe_settings
from show_recipe import curve, main

ROOT = Path(__file__).parents[2]
CONFIGS = {
    path.stem: path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
}
DETECTOR2 = 'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco'
# What differs from the published recipe, on purpose.
DIFFERENCES = {
    # float32, because mmcv's compiled RoIAlign has no bfloat16; --amp is
    # float16, as released
    'mask-rcnn': {'precision'},
    # we take the mean over all positions, not the first one
    'linear': {'pooling'},
}


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


def test_the_curve_of_the_learning_rate() -> None:
    times, factors, unit = curve(Config.fromfile(CONFIGS[DETECTOR2]))
    assert (times[0], times[-1], unit) == (0, 184_375, 'iterations')
    assert factors[0] == pytest.approx(0.001)
    assert max(factors) == 1
    at = dict(zip(times, factors, strict=True))
    # x0.1 at 8/9 and at 26/27 of the length
    for share, factor in ((0.5, 1), (0.92, 0.1), (0.98, 0.01)):
        nearest = min(at, key=lambda time: abs(time - share * times[-1]))
        assert at[nearest] == pytest.approx(factor)


@pytest.mark.parametrize(
    ('name', 'middle'),
    [
        # half the way from the end of the warm-up: cosine and power 1
        ('convmae-base_24xb128-amp-coslr-1600e_in1k', 0.52),
        ('upernet_convmae-base_160k_ade20k-512x512', 0.505),
    ],
)
def test_curves_that_fall_to_zero(name: str, middle: float) -> None:
    _, factors, _ = curve(Config.fromfile(CONFIGS[name]), points=1001)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[500] == pytest.approx(middle, abs=0.005)
    assert factors[-1] == pytest.approx(0, abs=0.002)


def test_any_schedule_has_a_curve() -> None:
    cfg = Config.fromfile(CONFIGS[DETECTOR2])
    cfg.train_cfg.max_iters = 100
    cfg.param_scheduler = [
        dict(type='ExponentialLR', gamma=0.9, by_epoch=False)
    ]
    _, factors, _ = curve(cfg, points=100)
    assert factors[10] == pytest.approx(0.9**10)


@pytest.mark.slow
def test_the_tool_shows_and_plots(tmp_path, capsys) -> None:
    plot = tmp_path / 'rate.png'
    assert main([str(CONFIGS[DETECTOR2]), '--plot', str(plot)]) == 0
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
    assert main([str(CONFIGS[DETECTOR2]), '--strict']) == 1
