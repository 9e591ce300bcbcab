"""A config has settings where the trainer wants settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from convmae_mm.apis.config import load_config
from convmae_mm.apis.options import RunOptions
from convmae_mm.errors import ConfigError

SETTINGS = {
    'model': dict(type='A'),
    'train_dataloader': dict(
        batch_size=2, num_workers=0, dataset=dict(type='B', pipeline=[])
    ),
    'val_evaluator': [dict(type='C')],
    'param_scheduler': dict(type='D'),
}


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('model', 5),
        ('val_evaluator', 'C'),
        ('param_scheduler', 0.1),
        ('custom_hooks', True),
        ('train_dataloader.dataset', 5),
        ('train_dataloader.dataset.pipeline', 'all'),
        ('train_dataloader.sampler', 5),
        ('train_dataloader.num_workers', 'two'),
        ('train_dataloader.batch_size', 2.5),
    ],
)
def test_a_value_where_settings_belong_is_refused(
    tmp_path: Path, key: str, value: object
) -> None:
    path = tmp_path / 'flat.py'
    path.write_text('\n'.join(f'{k} = {v!r}' for k, v in SETTINGS.items()))
    assert load_config(path, RunOptions()).model.type == 'A'
    options = RunOptions(cfg_options={key: value})
    with pytest.raises(ConfigError, match=f'{key}={value!r} must be a'):
        load_config(path, options)
