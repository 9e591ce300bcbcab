"""Every config of the repository parses, builds and states what acts."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from convmae_mm.apis.config import RUNNER_CONFIG_KEYS

ROOT = Path(__file__).parents[2] / 'configs'
FILES = sorted(ROOT.rglob('*.py'))
CONFIGS = [file for file in FILES if '_base_' not in file.parts]
SCOPES = {'mmdet', 'mmseg', 'mmpretrain'}


def load(path: Path) -> Config:
    return Config.fromfile(path)


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_file_names_are_unique():
    """`mim` and readers name a config by its file."""
    repeated = [
        name for name, count in Counter(names(FILES)).items() if count > 1
    ]
    assert len(CONFIGS) >= 3
    assert repeated == []


def test_every_base_file_is_used():
    used: set[Path] = set()
    waiting = list(CONFIGS)
    while waiting:
        path = waiting.pop()
        bases = bases_of(path)
        waiting += [base for base in bases if base not in used]
        used |= set(bases)
    assert set(FILES) - set(CONFIGS) - used == set()


def bases_of(path: Path) -> list[Path]:
    """The files that a config names in `_base_`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            bases = ast.literal_eval(node.value)
            return [(path.parent / base).resolve() for base in bases]
    return []


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_the_config_is_self_contained_and_offline(path):
    cfg = load(path)
    text = cfg.pretty_text
    assert cfg.default_scope in SCOPES
    assert 'custom_imports' not in cfg
    assert '://' not in text
    for library in SCOPES:
        assert f'{library}::' not in path.read_text()


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_every_key_is_read_by_the_runner_or_by_the_config_itself(path):
    cfg = load(path)
    read = set(inspect.signature(Runner.__init__).parameters)
    read |= RUNNER_CONFIG_KEYS
    sources = [path, *bases_of(path)]
    text = '\n'.join(source.read_text() for source in sources)
    # A helper is defined once and used at least once.
    unused = [key for key in cfg if key not in read and text.count(key) < 2]
    assert unused == []


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_the_model_and_its_optimizer_build(path):
    cfg = load(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    optim_wrapper = cfg.optim_wrapper.copy()
    # Mixed precision is a matter of the device, not of the groups.
    for key in ('loss_scale', 'dtype'):
        optim_wrapper.pop(key, None)
    optim_wrapper.type = 'OptimWrapper'
    wrapper = build_optim_wrapper(model, optim_wrapper)
    decay = {
        id(param): group['weight_decay']
        for group in wrapper.optimizer.param_groups
        for param in group['params']
    }
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert decay.keys() == {id(param) for param in trainable.values()}
    norms = [n for n in trainable if n.endswith(('norm1.weight', 'norm.bias'))]
    assert len(norms) > 4
    assert {decay[id(trainable[name])] for name in norms} == {0.0}
    weight_decay = cfg.optim_wrapper.optimizer.weight_decay
    for name in trainable:
        if name.endswith(('mask_token', 'mlp.fc1.weight')):
            assert decay[id(trainable[name])] == weight_decay, name
