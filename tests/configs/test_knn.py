"""The k-nearest-neighbour evaluation needs a pretraining and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from shrink import shrink_config

from convmae_mm import apis

CONFIGS = Path(__file__).parents[2] / 'configs'
KNN = CONFIGS / 'classification' / 'convmae-base_knn_in1k.py'
PRETRAIN = (
    CONFIGS / 'pretrain' / 'convmae-base_24xb128-amp-coslr-1600e_in1k.py'
)


def build(path: Path, data: Path):
    cfg = shrink_config(Config.fromfile(path), data)
    init_default_scope(cfg.default_scope)
    return MODELS.build(cfg.model)


def test_votes_by_hand(tmp_path: Path) -> None:
    model = build(KNN, tmp_path)
    model.num_neighbours, model.num_classes, model.temperature = 2, 3, 1.0
    gallery = F.normalize(
        torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1
    )
    votes = model.vote(torch.tensor([[1.0, 0.0]]), gallery, torch.arange(3))
    near = torch.tensor([1.0, 0.5**0.5]).softmax(0)
    expected = torch.tensor([[near[0], near[1], 0.0]])
    torch.testing.assert_close(votes, expected)


def test_neighbours_of_one_class_add_up(tmp_path: Path) -> None:
    model = build(KNN, tmp_path)
    model.num_neighbours, model.num_classes = 5, 2  # more than there are
    gallery = F.normalize(torch.ones(3, 4), dim=1)
    votes = model.vote(gallery[:1], gallery, torch.tensor([1, 1, 0]))
    torch.testing.assert_close(votes, torch.tensor([[1 / 3, 2 / 3]]))


def test_training_forgets_the_gallery(tmp_path: Path) -> None:
    model = build(KNN, tmp_path)
    model._encoded_gallery = (torch.ones(1, 1), torch.zeros(1))
    model.eval()
    assert model._encoded_gallery is not None
    model.train()
    assert model._encoded_gallery is None


@pytest.mark.parametrize(
    'wrong', [dict(num_neighbours=0), dict(temperature=0.0)]
)
def test_wrong_numbers_are_refused(wrong: dict, tmp_path: Path) -> None:
    cfg = shrink_config(Config.fromfile(KNN), tmp_path)
    init_default_scope(cfg.default_scope)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MODELS.build({**cfg.model, **wrong})


@pytest.mark.slow
def test_a_checkpoint_of_a_pretraining_is_tested(
    scenes: Path, tmp_path: Path
) -> None:
    weights = build(PRETRAIN, scenes).state_dict()
    checkpoint = tmp_path / 'pretraining.pth'
    torch.save(dict(state_dict=weights), checkpoint)
    config = tmp_path / KNN.name
    shrink_config(Config.fromfile(KNN), scenes).dump(config)
    scores = apis.test(config, checkpoint, work_dir=tmp_path / 'work')
    assert 0 <= scores['accuracy/top1'] <= scores['accuracy/top5'] <= 100
