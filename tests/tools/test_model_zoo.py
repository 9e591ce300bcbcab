"""The model zoo and the metafiles say what the configs are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import yaml

from convmae_mm.recipes.published import PUBLISHED

ROOT = Path(__file__).parents[2]
CONFIGS = {
    f'configs/{path.relative_to(ROOT / "configs")}'
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
}


def tool():
    path = ROOT / 'tools' / 'analysis' / 'model_zoo.py'
    spec = importlib.util.spec_from_file_location('model_zoo', path)
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def models() -> list[dict]:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    return [
        model
        for file in index['Import']
        for model in yaml.safe_load((ROOT / file).read_text())['Models']
    ]


def test_nothing_is_stale():
    """`tools/analysis/model_zoo.py --write` renews the files."""
    assert tool().main(['--check']) == 0


def test_every_config_is_in_the_index_once():
    listed = [model['Config'] for model in models()]
    assert sorted(listed) == sorted(CONFIGS)


def test_scores_are_the_published_ones_and_weights_are_not_claimed():
    for model in models():
        published = PUBLISHED.get(model['Name'])
        scores = dict(published.scores) if published else {}
        assert model.get('Published', {}).get('Scores', {}) == scores
        assert 'Weights' not in model
        assert 'Results' not in model


def test_every_row_says_whose_score_it_is():
    text = (ROOT / 'docs' / 'model_zoo.md').read_text()
    rows = [line for line in text.splitlines() if line.startswith('| [')]
    assert len(rows) == len(CONFIGS)
    known = (
        'published by the authors',
        'converted from released weights',
        'trained here',
        'nothing published, not trained here',
    )
    for row in rows:
        assert any(origin in row for origin in known), row
    assert 'converted from released weights' not in '\n'.join(rows)
