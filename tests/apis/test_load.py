"""A model from what a training leaves behind, without running its text."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from released_networks import released_state

import convmae_mm
from convmae_mm.apis.load import find_checkpoint
from convmae_mm.checkpoint import CheckpointError
from convmae_mm.checkpoint.config_text import read_config_text

Trained = Callable[[str], Path]


def test_the_config_comes_from_the_checkpoint(
    trained: Trained, tmp_path: Path
) -> None:
    alone = tmp_path / 'renamed.pth'
    shutil.copy(trained('segmentor') / 'epoch_1.pth', alone)
    model = convmae_mm.load(alone, device='cpu')
    assert model.task == 'segmentor'
    assert model.classes[:2] == ('background', 'zero')
    assert len(model.palette) == 11
    assert not model.model.training


def test_a_folder_stands_for_its_best_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no run and no training'):
        find_checkpoint(tmp_path)
    (tmp_path / 'epoch_1.pth').touch()
    (tmp_path / 'epoch_2.pth').touch()
    assert find_checkpoint(tmp_path).name == 'epoch_2.pth'
    best = tmp_path / 'best_coco_bbox_mAP_epoch_1.pth'
    best.touch()
    (tmp_path / 'epoch_3.pth').touch()
    assert find_checkpoint(tmp_path) == best
    record = tmp_path / 'run.json'
    record.write_text(json.dumps({'checkpoint': 'epoch_1.pth'}))
    assert find_checkpoint(tmp_path).name == 'epoch_1.pth'
    record.write_text(json.dumps({'checkpoint': 'gone.pth'}))
    with pytest.raises(FileNotFoundError, match=r"names .*'gone\.pth'"):
        find_checkpoint(tmp_path)


def test_a_checkpoint_without_a_config_asks_for_it(
    trained: Trained, tmp_path: Path
) -> None:
    folder = trained('classifier')
    weights = torch.load(folder / 'epoch_1.pth', weights_only=True)
    bare = tmp_path / 'bare.pth'
    torch.save(weights['state_dict'], bare)
    with pytest.raises(CheckpointError, match='--config CONFIG'):
        convmae_mm.load(bare)
    config = next(folder.glob('*.py'))
    assert convmae_mm.load(bare, config=config).task == 'classifier'
    del weights['state_dict']['head.fc.bias']
    torch.save(weights, bare)
    with pytest.raises(CheckpointError, match=r'does not fit.*head\.fc\.bias'):
        convmae_mm.load(bare)


@pytest.mark.parametrize(
    ('name', 'task'),
    [('seg', 'encoder'), ('segmentor', 'segmentor')],
)
def test_released_files(name: str, task: str, tmp_path: Path) -> None:
    file = tmp_path / 'released.pth'
    torch.save({'model': released_state(name)}, file)
    model = convmae_mm.load(file, device='cpu')
    assert model.task == task
    e3 = model.features(np.zeros((64, 96, 3), np.uint8))[2]
    assert e3.shape[0] == 48


@pytest.mark.parametrize(
    'text',
    [
        'model = __import__("os").system("true")',
        'import os',
        'model = [x for x in ()]',
        'model = dict(**{})',
        'print(1)',
        "model = dict(type='subprocess.Popen', args=['true'])",
        "model = dict(a=[dict(type='os.system')])",
        "custom_imports = dict(imports=['evil'])",
        'model = (',
    ],
)
def test_text_in_a_checkpoint_is_never_run(text: str) -> None:
    with pytest.raises(CheckpointError, match='the config inside'):
        read_config_text(text)


def test_plain_text_is_read() -> None:
    text = (
        "a = dict(x=-1, y=(1.5, None), z={'k-l': [True, float('inf')]})\n"
        "b = dict(type='convmae_mm.ConvMAE')\n"
    )
    cfg = read_config_text(text)
    assert cfg.a.x == -1
    assert cfg.a.y == (1.5, None)
    assert cfg.a.z['k-l'] == [True, float('inf')]
    assert cfg.b.type == 'convmae_mm.ConvMAE'


def test_import_of_the_package_stays_light() -> None:
    code = (
        'import sys, convmae_mm\n'
        'heavy = [x for x in ("mmdet", "mmseg", "mmpretrain", '
        '"supervision", "convmae_mm.apis") if x in sys.modules]\n'
        'assert not heavy, heavy\n'
        'assert callable(convmae_mm.load)\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
