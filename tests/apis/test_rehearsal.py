"""What the rehearsal meets before the first step, and that it changes none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS
from mmengine.runner import Runner
from PIL import Image

from convmae_mm import apis
from convmae_mm.apis.examination import ExaminationError
from convmae_mm.apis.rehearsal import (
    Rehearsal,
    RehearsalError,
    _check_watched,
    _drawn,
    _told,
    most_different,
)
from convmae_mm.errors import ConfigError

pytestmark = pytest.mark.slow

# 9 pictures of two classes, 2 in a batch; everything that is random or has a
# state of its own: augmentation, dropped paths, BatchNorm.
CONFIG = """
default_scope = 'mmpretrain'
arch = dict(embed_dims=[8, 16, 32], depths=[1, 1, 2], num_heads=2)
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(to_rgb=True, num_classes=2),
    backbone=dict(
        type='convmae_mm.ConvMAE',
        arch=arch,
        img_size=32,
        drop_path_rate=0.5,
        out_indices=(2,),
    ),
    neck=dict(
        type='LinearNeck',
        in_channels=32,
        out_channels=8,
        gap_dim=2,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=8),
)
load = dict(type='LoadImageFromFile')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root='DATA/train',
        pipeline=[
            load,
            dict(type='RandomResizedCrop', scale=32),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_root='DATA/val',
        pipeline=[
            load,
            dict(type='Resize', scale=(32, 32)),
            dict(type='PackInputs'),
        ],
    ),
)
val_evaluator = dict(type='Accuracy')
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
val_cfg = dict(type='ValLoop')
custom_hooks = []
"""


@pytest.fixture
def config(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for split, number in (('train', 9), ('val', 4)):
        for index in range(number):
            file = tmp_path / split / 'ab'[index % 2] / f'{index}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            size = (32, 40 + 4 * index, 3)
            pixels = rng.integers(0, 255, size, dtype=np.uint8)
            Image.fromarray(pixels).save(file)
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.replace('DATA', str(tmp_path)))
    return path


def train(config: Path, name: str, **options: Any) -> Runner:
    overrides = dict(experiment_name=name, **options.pop('cfg_options', {}))
    return apis.train(
        config,
        work_dir=config.parent / name,
        seed=0,
        cfg_options=overrides,
        **options,
    )


def test_a_training_is_the_same_with_and_without(config):
    with_it = train(config, 'with').model.state_dict()
    without = train(config, 'without', check=False).model.state_dict()
    assert list(with_it) == list(without)
    for key, value in with_it.items():
        assert torch.equal(value, without[key]), key


@HOOKS.register_module()
class NoStep(Hook):
    """Fails where a training begins."""

    def before_train_iter(self, runner: Runner, **batch: Any) -> None:
        raise AssertionError('the first step has begun')


def damaged(config: Path) -> None:
    # whole in its header, which is all that the examination reads
    for file in (config.parent / 'val').rglob('*.png'):
        Image.new('RGB', (3000, 20)).save(file)
        content = file.read_bytes()
        file.write_bytes(content[:60])


FAULTS: dict[str, tuple[dict[str, Any], Callable[[Path], None], str]] = {
    'a last batch of one': (
        {'train_dataloader.drop_last': False},
        lambda config: None,
        r'train: a training batch of 1 \(the last of an epoch of 9\).* set '
        'train_dataloader.drop_last=True',
    ),
    'sizes that fit no batch': (
        {
            'val_dataloader.dataset.pipeline': [
                dict(type='LoadImageFromFile'),
                dict(type='PackInputs'),
            ],
            'val_dataloader.collate_fn': dict(type='default_collate'),
        },
        lambda config: None,
        'val: a validation of two batches .*different sizes fit no batch',
    ),
    'a validation picture that breaks off': ({}, damaged, r'val: .*\.png'),
    'a score that is not there': (
        {
            'default_hooks.checkpoint': dict(
                type='CheckpointHook', save_best='coco/bbox_mAP'
            )
        },
        lambda config: None,
        r"waits for \['coco/bbox_mAP'\], but the scores are "
        r"\['accuracy/top1'\]",
    ),
    'more places than classes': (
        {'val_evaluator.topk': (1, 5)},
        lambda config: None,
        'val: a validation of two batches .*5',
    ),
    'a loss that is not finite': (
        {'model.head.loss': dict(type='CrossEntropyLoss', loss_weight=1e50)},
        lambda config: None,
        'train: .*loss is not finite before any step',
    ),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_would_come_late_comes_first(name, config):
    overrides, break_it, words = FAULTS[name]
    break_it(config)
    hooks = [dict(type='NoStep')]
    with pytest.raises(RehearsalError, match=words):
        train(config, 'x', cfg_options={**overrides, 'custom_hooks': hooks})


def test_the_examination_comes_before_it_and_both_can_be_left_out(config):
    overrides = {
        'model.head.num_classes': 3,
        'custom_hooks': [dict(type='NoStep')],
    }
    with pytest.raises(ExaminationError, match='model.head.num_classes=2'):
        train(config, 'x', cfg_options=overrides)
    with pytest.raises(AssertionError, match='the first step has begun'):
        train(config, 'y', cfg_options=overrides, check=False)


def test_what_the_examination_says_is_in_the_log_of_the_run(config):
    train(config, 'x', cfg_options={'train_cfg.max_epochs': 1})
    (log,) = (config.parent / 'x').glob('*/*.log')
    assert log.read_text().count('train: 9 pictures kept') == 1


def test_a_test_is_rehearsed(config):
    train(config, 'x', cfg_options={'train_cfg.max_epochs': 1})
    tested = {
        'test_cfg': dict(type='TestLoop'),
        'test_evaluator': dict(type='Accuracy', topk=(1, 5)),
        'test_dataloader': Config.fromfile(config).val_dataloader.to_dict(),
        'custom_hooks': [dict(type='NoTestStep')],
    }
    options: dict[str, Any] = dict(work_dir=config.parent / 'y')
    weights = config.parent / 'x' / 'epoch_1.pth'
    with pytest.raises(RehearsalError, match='test: a test of two batches'):
        apis.test(config, weights, cfg_options=tested, **options)
    with pytest.raises(AssertionError, match='the first step has begun'):
        apis.test(config, weights, cfg_options=tested, check=False, **options)


def test_a_trial_writes_no_results(config, tmp_path):
    train(config, 'x', cfg_options={'train_cfg.max_epochs': 1})
    out = tmp_path / 'found.pkl'
    out.write_bytes(b'of an earlier test')
    tested = {
        'test_cfg': dict(type='TestLoop'),
        'test_evaluator': dict(type='Accuracy'),
        'test_dataloader': Config.fromfile(config).val_dataloader.to_dict(),
        'custom_hooks': [dict(type='NoTestStep')],
    }
    options: dict[str, Any] = dict(work_dir=tmp_path / 'y', out=out)
    with pytest.raises(AssertionError, match='the first step has begun'):
        apis.test(
            config,
            config.parent / 'x' / 'epoch_1.pth',
            cfg_options=tested,
            **options,
        )
    assert out.read_bytes() == b'of an earlier test'


@HOOKS.register_module()
class NoTestStep(Hook):
    """Fails where a test begins."""

    def before_test_iter(self, runner: Runner, **batch: Any) -> None:
        raise AssertionError('the first step has begun')


def test_batches_of_other_samplers_are_as_they_draw_them():
    """Such as some pictures with labels and some without."""

    @DATA_SAMPLERS.register_module(force=True)
    class InPairs:
        def __init__(self, dataset: Any, seed: int, step: int) -> None:
            self.order = range(0, len(dataset), step)

        def __iter__(self) -> Any:
            return iter(self.order)

    dataset = list(range(9))
    cfg = dict(train_dataloader=dict(sampler=dict(type='InPairs', step=4)))
    used = InPairs(dataset, 0, 2)
    loader = SimpleNamespace(sampler=used)
    runner: Any = SimpleNamespace(cfg=cfg, train_dataloader=loader)
    assert _drawn(runner, dataset, 3) == [0, 4, 8]
    loader.sampler = DefaultSampler(dataset)
    assert _drawn(runner, dataset, 3) == []


def test_a_failed_rehearsal_restores_everything(config):
    """Random numbers, the results of metrics, the log's level."""

    @HOOKS.register_module(name='Fails', force=True)
    class Fails(Rehearsal):
        def before_train(self, runner: Runner) -> None:
            states = torch.get_rng_state(), np.random.get_state()[1]
            pipeline = runner.train_dataloader.dataset.pipeline
            with pytest.raises(RehearsalError):
                super().before_train(runner)
            assert torch.equal(states[0], torch.get_rng_state())
            assert (states[1] == np.random.get_state()[1]).all()
            assert runner.train_dataloader.dataset.pipeline is pipeline
            for metric in runner.val_loop.evaluator.metrics:
                assert metric.results == []
            raise InterruptedError

    overrides = {
        'val_evaluator.topk': (1, 5),
        'custom_hooks': [dict(type='Fails')],
    }
    with pytest.raises(InterruptedError):
        train(config, 'x', cfg_options=overrides, check=False)


class Sizes:
    """A data set of nothing but sizes."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def get_data_info(self, index: int) -> dict[str, int]:
        width, height = self.sizes[index]
        return dict(width=width, height=height)


def test_the_most_different_shapes_are_taken():
    some = Sizes((10, 10), (10, 30), (10, 10), (40, 10), (20, 20), (10, 10))
    assert most_different(some, 2) == [1, 3]
    assert set(most_different(some, 4)) == {0, 1, 3, 4}
    assert sorted(most_different(some, 9)) == list(range(6))
    assert len(most_different(Sizes(*[(1, 1)] * 500), 100)) == 100


def test_no_scores_tell_nothing_about_what_hooks_wait_for() -> None:
    """A fresh detector of many classes finds nothing above its threshold."""
    hook = SimpleNamespace(save_best='coco/bbox_mAP')
    runner = SimpleNamespace(hooks=[hook])
    _check_watched(runner, {})
    _check_watched(runner, {'coco/bbox_mAP': 0.0})
    with pytest.raises(ConfigError, match='waits for'):
        _check_watched(runner, {'coco/segm_mAP': 0.0})


def test_a_head_of_one_channel_is_told_what_it_needs() -> None:
    """What a sampler of hard pixels does to the labels 0 and 1."""
    with (
        pytest.raises(RehearsalError, match=r'use_sigmoid=True and sampler='),
        _told('a training batch of 2', 'train', [], []),
    ):
        torch.zeros(2, 1).gather(1, torch.ones(2, 1, dtype=torch.int64))
