"""The model zoo and the metafiles say what the configs are."""

from __future__ import annotations

from pathlib import Path

import model_zoo
import yaml
from published import PUBLISHED

ROOT = Path(__file__).parents[2]
CONFIGS = {
    f'configs/{folder}/{path.name}'
    for folder in model_zoo.FOLDERS
    for path in model_zoo.configs(folder)
}


def models() -> list[dict]:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    return [
        model
        for file in index['Import']
        for model in yaml.safe_load((ROOT / file).read_text())['Models']
    ]


def test_nothing_is_stale():
    """`tools/analysis/model_zoo.py --write` renews the files."""
    assert model_zoo.main(['--check']) == 0


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
