from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import Registry

import convmae_mm
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


RESOLVE = """
import sys
from convmae_mm import registry
for argument in sys.argv[1:]:
    node, name = argument.split('.', 1)
    found = getattr(registry, node).get(f'convmae_mm.{name}')
    assert found is not None, argument
    assert found.__module__.startswith('convmae_mm.'), found
"""


def registered() -> list[str]:
    """All that the package registers, once every module is imported."""
    for module in pkgutil.walk_packages(convmae_mm.__path__, 'convmae_mm.'):
        importlib.import_module(module.name)
    nodes = {
        name: node
        for name, node in vars(registry).items()
        if isinstance(node, Registry) and node.scope == registry.SCOPE
    }
    return [
        f'{node_name}.{name}'
        for node_name, node in nodes.items()
        for name, found in {
            **node.parent.module_dict,
            **node.module_dict,
        }.items()
        if found.__module__.startswith('convmae_mm.')
    ]


def test_every_registered_name_resolves_by_its_scope() -> None:
    """In a process that imported nothing else, as a config is built."""
    names = registered()
    assert {'MODELS.ConvMAE', 'MODELS.KNNClassifier'} <= set(names)
    done = subprocess.run(
        [sys.executable, '-c', RESOLVE, *names],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ('cfg', 'scope'),
    [
        (dict(default_scope='mmseg'), 'mmseg'),
        (dict(model=dict(type='mmdet.MaskRCNN')), 'mmdet'),
        (dict(default_scope=None, model=dict(type=Path)), None),
        (dict(model=dict(type='MaskRCNN')), None),
        ({}, None),
    ],
)
def test_scope_of(cfg: dict, scope: str | None) -> None:
    assert registry.scope_of(cfg) == scope


@pytest.mark.parametrize(
    ('cfg', 'name'),
    [
        (dict(type='mmdet.FPN'), 'FPN'),
        (dict(type='FPN'), 'FPN'),
        (dict(type=Path), 'Path'),
        (dict(), ''),
        (None, ''),
    ],
)
def test_type_name(cfg: dict | None, name: str) -> None:
    assert registry.type_name(cfg) == name
