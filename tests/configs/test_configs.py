"""Every config of the repository parses, builds and states what acts."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from convmae_mm.apis.overrides import RUNNER_CONFIG_KEYS

ROOT = Path(__file__).parents[2] / 'configs'
FILES = sorted(ROOT.rglob('*.py'))
CONFIGS = [file for file in FILES if '_base_' not in file.parts]
SCOPES = {'mmdet', 'mmseg', 'mmpretrain'}


def load(path: Path) -> Config:
    return Config.fromfile(path)


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def bases_of(path: Path) -> list[Path]:
    """The files that a config names in `_base_`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            bases = ast.literal_eval(node.value)
            return [(path.parent / base).resolve() for base in bases]
    return []


def ancestors_of(path: Path) -> set[Path]:
    """The files that a config inherits from, directly or not."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        bases = set(bases_of(waiting.pop())) - found
        found |= bases
        waiting += bases
    return found


def test_file_names_are_unique():
    """`mim` and readers name a config by its file."""
    repeated = [
        name for name, count in Counter(names(FILES)).items() if count > 1
    ]
    assert repeated == []


def test_every_base_file_is_used():
    used = set().union(*(ancestors_of(path) for path in CONFIGS))
    # an addition to any recipe, for configs of one's own
    used.add(ROOT / '_base_' / 'fsdp.py')
    assert set(FILES) - set(CONFIGS) - used == set()


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_the_config_is_self_contained_and_offline(path):
    cfg = load(path)
    assert cfg.default_scope in SCOPES
    assert 'custom_imports' not in cfg
    assert '://' not in str(cfg.to_dict())
    for library in SCOPES:
        assert f'{library}::' not in path.read_text()
    assert all(base.is_relative_to(ROOT) for base in ancestors_of(path))


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_every_key_is_read_by_the_runner(path):
    """A variable for the file alone could be overridden in vain."""
    cfg = load(path)
    read = set(inspect.signature(Runner.__init__).parameters)
    read |= RUNNER_CONFIG_KEYS
    if cfg.default_scope == 'mmseg':
        read.add('test_pipeline')  # by mmseg.apis.inference_model
    assert set(cfg) - read == set()


def own_statements(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a config itself assigns, and all that its bases say."""
    base: dict[str, Any] = {}
    for file in bases_of(path):
        base |= load(file).to_dict()
    tree = ast.parse(path.read_text())
    tree.body = [
        node
        for node in tree.body
        if not (
            isinstance(node, ast.Assign) and node.targets[0].id == '_base_'
        )
    ]
    scope: dict[str, Any] = {'_base_': ConfigDict(base)}
    exec(compile(tree, str(path), 'exec'), scope)
    own = {
        key: value for key, value in scope.items() if not key.startswith('_')
    }
    return own, base


def restated(
    own: Mapping[str, Any], base: Mapping[str, Any], prefix: str = ''
) -> Iterator[str]:
    """Dotted keys that are given the value which the base gives them."""
    if own.get('_delete_'):
        return  # everything below has to be said again
    for key, value in own.items():
        if key not in base:
            continue
        old = base[key]
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from restated(value, old, f'{prefix}{key}.')
        elif value == old and type(value) is type(old):
            yield f'{prefix}{key}'


@pytest.mark.parametrize('path', FILES, ids=names(FILES))
def test_no_config_restates_its_base(path):
    own, base = own_statements(path)
    if not base:
        return
    # `test_dataloader = val_dataloader` says that they are the same.
    aliases = {
        node.targets[0].id
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
    }
    own = {key: value for key, value in own.items() if key not in aliases}
    assert list(restated(own, base)) == []


def test_restating_is_detected():
    base = dict(a=1, b=dict(c=[2], d=3), e=dict(f=4))
    own = dict(a=1, b=dict(c=[2], d=4), e=dict(_delete_=True, f=4), g=1)
    assert list(restated(own, base)) == ['a', 'b.c']


def build_on_meta(cfg: Config) -> torch.nn.Module:
    """The model with tensors that take no memory and no time."""
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        return MODELS.build(cfg.model)


@pytest.mark.slow
@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_the_model_and_its_optimizer_build(path):
    cfg = load(path)
    model = build_on_meta(cfg)
    if 'optim_wrapper' not in cfg:
        assert cfg.get('train_dataloader') is None
        return
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
    assert {id(param) for param in trainable.values()} <= decay.keys()
    weight_decay = cfg.optim_wrapper.optimizer.weight_decay
    for name in trainable:
        if name.endswith(('mask_token', 'mlp.fc1.weight')):
            assert decay[id(trainable[name])] == weight_decay, name
        if name.endswith(('norm1.weight', 'norm.bias')):
            assert decay[id(trainable[name])] == 0, name


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_the_learning_rate_can_be_scaled_to_other_batches(path):
    """The batch that the rate is meant for is the recipe's own."""
    cfg = load(path)
    if 'optim_wrapper' not in cfg or path.parent.name == 'quickstart':
        return
    gpus = {'24xb': 24, '1xb': 1}
    count = next((n for x, n in gpus.items() if x in path.name), 8)
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    batch = count * cfg.train_dataloader.batch_size * steps
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=batch)


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_mixed_precision_is_bfloat16_but_for_detectors(path):
    """The compiled RoIAlign of mmcv has no kernel for bfloat16."""
    cfg = load(path)
    wrapper = cfg.get('optim_wrapper') or {}
    if wrapper.get('type') != 'AmpOptimWrapper':
        return
    if cfg.default_scope == 'mmdet':
        assert 'dtype' not in wrapper
        assert 'loss_scale' not in wrapper
    else:
        assert wrapper.dtype == 'bfloat16'
        assert wrapper.loss_scale == 1.0
