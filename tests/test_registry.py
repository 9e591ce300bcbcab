from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from convmae_mm import registry

NAME = 'segmentation/upernet_convmae-base_160k_ade20k-512x512.py'


def test_configs_of_the_package_can_be_inherited(tmp_path: Path) -> None:
    mine = tmp_path / 'mine.py'
    mine.write_text(
        f"_base_ = 'convmae_mm::{NAME}'\n"
        'model = dict(backbone=dict(in_channels=7))\n'
    )
    config = Config.fromfile(mine)
    assert config.model.backbone.in_channels == 7
    assert config.model.backbone.type == 'convmae_mm.ConvMAE'
    assert get_config(f'convmae_mm::{NAME}').train_cfg.max_iters == 160_000


@pytest.mark.parametrize(
    ('node', 'name'),
    [
        ('MODELS', 'ConvMAE'),
        ('MODELS', 'ConvMAEPretrain'),
        ('MODELS', 'ConvMAEPretrainDecoder'),
        ('MODELS', 'ConvMAEPretrainHead'),
        ('MODELS', 'ConvMAEClassifierNeck'),
        ('DATASETS', 'UnlabelledImageFolder'),
        ('TRANSFORMS', 'LoadRGBImage'),
        ('HOOKS', 'RichProgressHook'),
        ('WEIGHT_INITIALIZERS', 'PretrainedConvMAE'),
        ('OPTIM_WRAPPER_CONSTRUCTORS', 'LayerDecayOptimWrapperConstructor'),
    ],
)
def test_every_name_resolves_by_scope(node: str, name: str) -> None:
    found = getattr(registry, node).get(f'convmae_mm.{name}')
    assert found.__name__ == name
    assert found.__module__.startswith('convmae_mm.')
