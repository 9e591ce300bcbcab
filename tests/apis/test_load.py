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
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from released_networks import released_state

import convmae_mm
from convmae_mm.apis.load import _stated_meta, find_checkpoint
from convmae_mm.checkpoint import CheckpointError
from convmae_mm.checkpoint.opening.config_text import (
    check_parts,
    read_config_text,
)
from convmae_mm.errors import ConfigError

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
        'model = dict(a=not True)',
        "model = dict(b=-'x')",
        'model = dict(b=-dict(c=1))',
        'model = (',
    ],
)
def test_text_in_a_checkpoint_is_never_run(text: str) -> None:
    with pytest.raises(CheckpointError, match='the config inside'):
        read_config_text(text)


@pytest.mark.parametrize(
    'part',
    [
        dict(type='mmengine.config.Config.fromstring', cfg_str='import os'),
        dict(type='mmengine.load', file='a.pkl'),
        dict(type='mmdet.apis.DetInferencer', model='a.py'),
        dict(type='mmengine.runner.Runner'),
        dict(type='convmae_mm.own_data.process.Commands'),
        dict(type='convmae_mm.apis.train.train', config='a.py'),
        dict(type='antigravity'),
        dict(type='torch.nn.functional.relu'),
        dict(type='ConvMAE', _scope_='antigravity'),
    ],
    ids=lambda part: part['type'],
)
def test_only_parts_of_the_libraries_are_built(part: dict) -> None:
    """A registry would call whatever a dotted path leads to."""
    with pytest.raises(CheckpointError, match='is no part that'):
        check_parts(Config(dict(model=dict(backbone=[part]))))


def test_parts_of_the_libraries_may_be_built() -> None:
    names = (
        *('convmae_mm.ConvMAE', 'mmdet.MaskRCNN', 'MaskRCNN', 'torch.nn.GELU'),
        *('mmseg.EncoderDecoder', 'mmpretrain.LinearClsHead', 'BN', 'LN2d'),
        'convmae_mm.engine.random_streams.seed_worker',
        'convmae_mm.engine.hooks.safe_checkpoint_hook.SafeCheckpointHook',
        'convmae_mm.engine.cpu_amp_optim_wrapper.CpuAmpOptimWrapper',
    )
    check_parts(Config(dict(parts=[dict(type=name) for name in names])))


def test_a_preprocessor_at_the_top_level_normalises(tmp_path: Path) -> None:
    """As in mmpretrain's configs; the runner merges it into its own model."""
    model = dict(
        type='ImageClassifier',
        backbone=dict(type='convmae_mm.ConvMAE', arch='tiny', out_indices=-1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=2, in_channels=128),
    )
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=model,
            data_preprocessor=dict(
                num_classes=2, mean=[1.0, 2, 3], std=[4.0, 5, 6], to_rgb=True
            ),
            test_dataloader=dict(
                batch_size=1, dataset=dict(type='CustomDataset', pipeline=[])
            ),
        )
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        weights = MODELS.build(cfg.model).state_dict()
    file = tmp_path / 'a.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=('a', 'b')))
    torch.save(dict(state_dict=weights, meta=meta), file)
    loaded = convmae_mm.load(file, device='cpu')
    assert loaded.model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]
    assert convmae_mm.load(file.as_uri(), device='cpu').path == file


def test_classes_that_a_checkpoint_lacks_are_those_of_its_config() -> None:
    dataset: dict = dict(type='CocoDataset')
    loader = dict(dataset=dict(type='RepeatDataset', dataset=dataset))
    cfg = dict(default_scope='mmdet', val_dataloader=loader)
    assert _stated_meta(Config(cfg))['classes'][:2] == ('person', 'bicycle')
    dataset['metainfo'] = dict(classes=('cat', 'dog'))
    assert _stated_meta(Config(cfg))['classes'] == ('cat', 'dog')
    assert _stated_meta(Config(dict(default_scope='mmdet'))) == {}


@pytest.mark.parametrize('device', ['gpu', 'cuda:99'])
def test_a_device_that_is_not_there_is_told(device: str) -> None:
    with pytest.raises(ConfigError, match=f'{device!r} cannot be used here'):
        convmae_mm.load('any.pth', device=device)


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


@pytest.mark.parametrize(
    'text', ["a = -'x'", 'a = {[1]: 2}', "a = float('x')", 'a = ' + '-' * 3000]
)
def test_texts_that_are_no_values_are_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match='the config inside is'):
        read_config_text(f'{text} 1' if text.endswith('-') else text)
