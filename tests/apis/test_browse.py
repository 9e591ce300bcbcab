"""What a training sees, where its curves go, what it reconstructs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trained import train

from convmae_mm import apis
from convmae_mm.cli import main
from convmae_mm.engine.hooks import ReconstructionHook
from convmae_mm.errors import ConfigError

Trained = Callable[[str], Path]


@pytest.mark.parametrize(
    'kind', ['masks', 'boxes', 'segmentor', 'classifier', 'pretraining']
)
def test_samples_of_a_training(
    kind: str, trained: Trained, tmp_path: Path
) -> None:
    config = next(trained(kind).glob('*.py'))
    command = ['data', 'browse', str(config), '--number', '2']
    assert main([*command, '--out', str(tmp_path)]) == 0
    files = sorted(tmp_path.iterdir())
    assert [x.name for x in files] == ['000.png', '001.png']
    assert min(Image.open(files[0]).size) >= 320


def test_a_log_that_is_not_installed_is_told(trained: Trained) -> None:
    config = next(trained('classifier').glob('*.py'))
    missing = [
        name
        for name in ('tensorboard', 'wandb', 'mlflow')
        if importlib.util.find_spec(name) is None
    ]
    for name in missing:
        with pytest.raises(ConfigError, match=f'pip install {name}'):
            apis.training_config(config, log=name)
    with pytest.raises(ConfigError, match='must be one of tensorboard'):
        apis.training_config(config, log='paper')


def test_a_log_is_added_to_the_files(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = next(trained('masks').glob('*.py'))
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, 'find_spec', lambda name: object())
        cfg = apis.training_config(config, log='tensorboard')
    kinds = [x['type'] for x in cfg.visualizer['vis_backends']]
    assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']


def test_reconstructions_during_a_pretraining(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trained as settings

    monkeypatch.setitem(
        settings.QUIET,
        'custom_hooks',
        [dict(type='convmae_mm.ReconstructionHook', number=2)],
    )
    folder = train('pretraining', scenes, tmp_path / 'run')
    (file,) = (folder / 'reconstructions').iterdir()
    pixels = np.asarray(Image.open(file)).astype(int)
    assert pixels.shape == (2 * 128, 4 * 128, 3)
    original, masked = pixels[:, :128], pixels[:, 128:256]
    share = (np.abs(original - masked).max(axis=2) < 3).mean()
    assert 0.15 < share < 0.5
    with pytest.raises(ValueError, match='interval=0'):
        ReconstructionHook(interval=0)
