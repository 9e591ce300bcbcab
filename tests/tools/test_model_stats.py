"""Parameters and multiply-adds are counted right, and the docs agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from model_stats import main
from network_cost import PartStatistics, measure

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
DOCUMENT = ROOT / 'docs' / 'recipes.md'
CLASSIFIER = 'classification/convmae-base_8xb128-amp-coslr-100e_in1k.py'
DETECTOR = 'detection/mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py'
SEGMENTOR = 'segmentation/upernet_convmae-base_160k_ade20k-512x512.py'


def count(name: str, **options) -> dict[str, PartStatistics]:
    cfg = Config.fromfile(CONFIGS / name)
    return {part.name: part for part in measure(cfg, **options)}


def test_a_classifier_by_hand():
    parts = count(CLASSIFIER)
    assert parts['total'].params == pytest.approx(85.37e6, rel=1e-4)
    assert parts['head.fc'].params == 768 * 1000 + 1000
    assert parts['head.fc'].macs == 768 * 1000
    # One block of stage 3 on 196 tokens: qkv, output, two of the MLP.
    tokens, width = 14 * 14, 768
    linear = tokens * width * width * (3 + 1 + 4 + 4)
    attention = 2 * tokens * tokens * width
    stage3 = parts['backbone.blocks3']
    assert stage3.attention_macs == 11 * attention
    assert stage3.macs_without_attention == 11 * linear
    # One block of stage 1: two projections, 5 x 5 depthwise, two of the MLP.
    cells, width = 56 * 56, 256
    block = cells * width * (width * (1 + 1 + 4 + 4) + 25)
    assert parts['backbone.blocks1'].macs == 2 * block


@pytest.mark.parametrize('name', [CLASSIFIER, DETECTOR, SEGMENTOR])
@pytest.mark.parametrize('depth', [1, 2, 3])
def test_the_parts_add_up(name: str, depth: int) -> None:
    parts = count(name, depth=depth)
    total = parts.pop('total')
    assert sum(part.params for part in parts.values()) == total.params
    assert sum(part.macs for part in parts.values()) == total.macs
    assert 'elsewhere' not in parts
    assert all(0 <= x.attention_macs <= x.macs for x in parts.values())


def test_size_counts():
    small = count(CLASSIFIER, size=(224, 224))['backbone.blocks3']
    large = count(CLASSIFIER, size=(224, 448))['backbone.blocks3']
    twice = 2 * small.macs_without_attention
    assert large.macs_without_attention == twice
    assert large.attention_macs == 4 * small.attention_macs


def test_the_published_figures_come_out():
    """To the digits that are published, where they can."""
    detector = count(DETECTOR, depth=1)
    assert round(detector['total'].macs / 1e12, 1) == 0.9
    # 104 M are published. The network of the released file has 110 M, of
    # which 3.4 M depend on the size: tables of positions.
    assert detector['total'].params == pytest.approx(110.2e6, rel=1e-3)
    segmentor = count(SEGMENTOR, depth=1)
    total, auxiliary = segmentor['total'], segmentor['auxiliary_head']
    assert round(total.macs / 1e12, 1) == 0.6
    assert (total.params - auxiliary.params) / 1e6 == pytest.approx(153, abs=1)


def test_a_wrong_depth_and_size_are_refused():
    with pytest.raises(ValueError, match='depth=0'):
        count(CLASSIFIER, depth=0)
    with pytest.raises(ValueError, match='positive'):
        count(CLASSIFIER, size=(0, 224))


@pytest.mark.slow
def test_the_table_of_the_document_is_up_to_date(tmp_path, capsys) -> None:
    """`tools/analysis/model_stats.py --write docs/recipes.md` renews it."""
    assert main(['--check', str(DOCUMENT)]) == 0
    stale = tmp_path / 'stale.md'
    stale.write_text(DOCUMENT.read_text().replace('| 85.4 |', '| 85.5 |'))
    assert main(['--check', str(stale)]) == 1
    assert 'stale' in capsys.readouterr().out


def test_the_tool_prints_parts(capsys) -> None:
    name = CONFIGS / CLASSIFIER
    assert main([str(name), '--size', '64', '64']) == 0
    text = capsys.readouterr().out
    assert 'backbone.blocks3' in text
    assert 'published' in text
