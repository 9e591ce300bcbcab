"""Overrides act, or are refused with the name of what would act."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from mmengine.config import Config

from convmae_mm.apis.options import Overrides
from convmae_mm.apis.overrides import apply_overrides
from convmae_mm.errors import ConfigError

TEXT = """
img_size = 320
data_root = '/mine/'
classes = ('cat', 'dog')
data = dict(batch_size=7)
flag = 'read by a hook of mine'
model = dict(
    type='A', init_cfg=None, backbone=dict(img_size=img_size, init_cfg=None),
    heads=[dict(init_cfg=None)])
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'a.json', metainfo=dict(classes=classes)),
    **data)
train_cfg = dict(max_epochs=3)
"""


@pytest.fixture
def cfg() -> Config:
    return Config.fromstring(TEXT, '.py')


@pytest.mark.parametrize(
    ('override', 'place'),
    [
        ({'img_size': 64}, 'model.backbone.img_size'),
        ({'data_root': '/your/'}, 'train_dataloader.dataset.ann_file'),
        ({'classes': ('a',)}, 'train_dataloader.dataset.metainfo.classes'),
        ({'data.batch_size': 2}, 'train_dataloader.batch_size'),
        ({'max_epochs': 5}, 'is train_cfg.max_epochs meant'),
        ({'batch_size': 5}, 'is .*train_dataloader.batch_size meant'),
        ({'max_iters': 5}, 'is train_cfg.max_epochs meant'),
        ({'img_sizes': 5}, 'is model.backbone.img_size meant'),
        ({'nope.x': 1}, 'nothing reads this key'),
    ],
    ids=str,
)
def test_what_the_file_alone_reads_is_refused(
    cfg: Config, override: dict, place: str
) -> None:
    before = cfg.pretty_text
    with pytest.raises(ConfigError, match=place):
        apply_overrides(cfg, override)
    assert cfg.pretty_text == before


@pytest.mark.parametrize(
    ('key', 'meant'),
    [
        ('train_dataloader.bacth_size', 'train_dataloader.batch_size'),
        ('train_cfg.max_epoch', 'train_cfg.max_epochs'),
        ('train_dataloader.ann_file', 'train_dataloader.dataset.ann_file'),
        ('optim_wrapper.lr', 'optim_wrapper.optimizer.lr'),
        ('model.backbone.img_sizes', 'model.backbone.img_size'),
        ('model.heads.0.init_cgf', 'model.heads.0.init_cfg'),
        ('model.test_cfg.rcnn.score_th', 'model.test_cfg.rcnn.score_thr'),
        ('env_cfg.cudnn_benchmarks', 'env_cfg.cudnn_benchmark'),
        ('train_dataloader.dataset.ann_fiel', 'dataset.ann_file'),
    ],
)
def test_slips_are_refused_wherever_they_are(
    cfg: Config, key: str, meant: str
) -> None:
    cfg.model.test_cfg = dict(rcnn=dict(score_thr=0.05))
    cfg.env_cfg = dict(mp_cfg=dict())
    cfg.optim_wrapper = dict(optimizer=dict(lr=1))
    with pytest.raises(ConfigError, match=rf'{key}: .* is .*{meant} meant'):
        apply_overrides(cfg, {key: 1})


def test_new_settings_beside_others_are_taken(cfg: Config) -> None:
    """Names that share a word are no slips."""
    cfg.model.neck = dict(in_channels=3, min_size=1, conv1=4)
    cfg.model.processor = dict(type='mmdet.DetDataPreprocessor', bgr_to_rgb=0)
    new = {
        'model.processor.rgb_to_bgr': True,
        'model.neck.conv2': 4,
        'model.neck.out_channels': 3,
        'model.neck.max_size': 2,
        'model.backbone.pretrain_img_size': 224,
        'train_dataloader.num_workers': 2,
        'train_cfg.val_interval': 2,
    }
    apply_overrides(cfg, new)
    assert cfg.model.neck.out_channels == 3
    assert cfg.model.neck.max_size == 2


def test_settings_act(cfg: Config) -> None:
    apply_overrides(
        cfg, {'train_cfg.max_epochs': 9, 'load_from': 'a.pth', 'flag': 1}
    )
    assert (cfg.train_cfg.max_epochs, cfg.load_from, cfg.flag) == (
        9,
        'a.pth',
        1,
    )


@pytest.mark.parametrize('part', ['model', 'model.backbone', 'model.heads.0'])
def test_an_encoder_is_named_where_there_is_none(
    cfg: Config, part: str
) -> None:
    apply_overrides(cfg, {f'{part}.init_cfg.checkpoint': 'a.pth'})
    found = eval(
        'cfg.' + part.replace('.0', '[0]') + '.init_cfg', {'cfg': cfg}
    )
    assert found == dict(
        type='convmae_mm.PretrainedConvMAE', checkpoint='a.pth'
    )
    # and the type of one that is there stays
    apply_overrides(cfg, {f'{part}.init_cfg.type': 'Pretrained'})
    apply_overrides(cfg, {f'{part}.init_cfg.checkpoint': 'b.pth'})


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmpretrain'])
def test_drawing_keeps_the_backends_of_the_config(
    scope: str, tmp_path: Path
) -> None:
    from convmae_mm.apis.test import _draw_into

    board = dict(type='TensorboardVisBackend')
    cfg = Config(
        dict(default_scope=scope, visualizer=dict(vis_backends=[board]))
    )
    _draw_into(cfg, tmp_path)
    assert board in cfg.visualizer.vis_backends


def test_a_training_counts_epochs_or_iterations(cfg: Config) -> None:
    cfg.train_cfg = dict(max_iters=4, by_epoch=False)
    with pytest.raises(ConfigError, match='is train_cfg.max_iters meant'):
        apply_overrides(cfg, {'max_epochs': 5})
    with pytest.raises(ConfigError, match=r'train_cfg\.max_iters, now 4, '):
        apply_overrides(cfg, {'train_cfg.max_epochs': 5})
    # but a loop of another kind may replace it
    loop = {'type': 'EpochBasedTrainLoop', 'max_epochs': 5}
    whole = {f'train_cfg.{name}': value for name, value in loop.items()}
    apply_overrides(cfg, {'train_cfg._delete_': True, **whole})
    assert cfg.train_cfg == loop


def test_a_dict_on_the_command_line_is_a_dict(cfg: Config) -> None:
    """mmengine cuts it at its commas into a list of texts."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument('--cfg-options', nargs='+', action=Overrides)
    text = "train_cfg={'_delete_': True, 'max_iters': 5}"
    options = parser.parse_args(['--cfg-options', text]).cfg_options
    apply_overrides(cfg, options)
    assert cfg.train_cfg == dict(max_iters=5)
    with pytest.raises(argparse.ArgumentError, match='is no KEY=VALUE'):
        parser.parse_args(['--cfg-options', "train_cfg={'max_iters' 5}"])
