"""The heads of docs/other_heads.md train, and every tool takes them.

A Python block that begins with a file name in a comment becomes that file.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import model_zoo
import pytest
import torch
from benchmark_scripts import first_number, read_table, succeed
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from network_cost import measure
from recipe_settings import parameter_groups, recipe_settings
from show_recipe import curve
from shrink import shrink_config

PAGE = Path(__file__).parents[2] / 'docs' / 'other_heads.md'
BLOCKS = dict(
    re.findall(
        r'```python\n# (\S+\.py)\n(.*?)```', PAGE.read_text(), re.DOTALL
    )
)


def write(name: str, folder: Path) -> Path:
    path = folder / name
    configs = PAGE.parents[1] / 'configs'
    path.write_text(BLOCKS[name].replace('convmae_mm::', f'{configs}/'))
    return path


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(BLOCKS))
def test_a_head_takes_its_loss(
    name: str, tmp_path: Path, scenes: Path
) -> None:
    cfg = Config.fromfile(write(name, tmp_path))
    small = shrink_config(cfg, scenes)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = revert_sync_batchnorm(MODELS.build(small.model)).train()
    batch = next(iter(Runner.build_dataloader(small.train_dataloader)))
    data = model.data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert math.isfinite(loss.item())
    loss.backward()
    assert model.backbone.patch_embed1.proj.weight.grad.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(BLOCKS))
def test_a_step_is_measured(name: str, tmp_path: Path, scenes: Path) -> None:
    cfg = Config.fromfile(write(name, tmp_path))
    path = tmp_path / f'small_{name}'
    shrink_config(cfg, scenes).dump(path)
    options = ('--runs', 1, '--no-memory', '--markdown', '--threads', 1)
    (row,) = read_table(succeed('train_step', path, *options))
    assert first_number(row['seconds']) > 0


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(BLOCKS))
def test_every_tool_takes_a_new_head(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    cfg = Config.fromfile(path)
    total, *parts = measure(cfg, size=(64, 64))
    assert sum(part.macs for part in parts) == total.macs > 0
    assert sum(part.params for part in parts) == total.params > 8e7
    assert recipe_settings(cfg)['arch'] == 'base'
    assert parameter_groups(cfg)
    assert max(curve(cfg)[1]) == pytest.approx(1)
    row = model_zoo.describe(path)
    assert (row.starts_from, row.scores) == (
        'convmae-base_24xb128-amp-coslr-1600e_in1k',
        '-',
    )
    assert name.removesuffix('.py') in model_zoo.table([row])
