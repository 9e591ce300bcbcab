"""Every recipe, shrunk, takes one step of its optimiser."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from shrink import shrink_config

from convmae_mm.apis.train import AMP_ARGUMENTS
from convmae_mm.engine import CpuAmpOptimWrapper

ROOT = Path(__file__).parents[2] / 'configs'
CONFIGS = [
    path for path in sorted(ROOT.rglob('*.py')) if '_base_' not in path.parts
]
TRAINED = [path for path in CONFIGS if '_knn_' not in path.name]


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Threads cost more than they bring on networks this narrow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_one_step(path: Path, scenes: Path) -> None:
    cfg = shrink_config(Config.fromfile(path), scenes)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model = revert_sync_batchnorm(model)
    optim_wrapper = build_optim_wrapper(model, on_cpu(cfg.optim_wrapper))
    optim_wrapper.initialize_count_status(model, 0, 1)
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.train()
    losses = model.train_step(batch, optim_wrapper)
    losses = {name: torch.as_tensor(x).item() for name, x in losses.items()}
    assert all(math.isfinite(value) for value in losses.values()), losses
    moved = {
        name
        for name, param in model.named_parameters()
        if not torch.equal(param, before[name])
    }
    learning = {
        id(param)
        for group in optim_wrapper.optimizer.param_groups
        for param in group['params']
        if group['lr'] > 0
    }
    still = {
        name
        for name, param in model.named_parameters()
        if param.requires_grad and id(param) in learning
    } - moved
    # Heads of RoIs without an object have no gradient in this step.
    assert len(still) <= 0.1 * len(learning), sorted(still)


def on_cpu(optim_wrapper: dict) -> dict:
    """Mixed precision as `convmae-mm train` has it without a GPU."""
    cfg = dict(optim_wrapper)
    if cfg.get('type') == 'AmpOptimWrapper':
        for argument in AMP_ARGUMENTS:
            cfg.pop(argument, None)
        kind = CpuAmpOptimWrapper
        cfg['type'] = f'{kind.__module__}.{kind.__qualname__}'
    return cfg
