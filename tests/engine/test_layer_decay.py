from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from convmae_mm import ConvMAE
from convmae_mm.engine.layer_decay import (
    LayerDecayOptimWrapperConstructor,
    find_layered_backbone,
    format_layer_groups,
)
from convmae_mm.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'
CONSTRUCTOR = 'convmae_mm.LayerDecayOptimWrapperConstructor'
LR = 1e-4
WEIGHT_DECAY = 0.05

CLASSIFIER = dict(
    type='ImageClassifier',
    backbone=dict(type='convmae_mm.ConvMAE', arch='base', out_indices=(2,)),
    neck=dict(type='convmae_mm.ConvMAEClassifierNeck', in_channels=768),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=768),
)

# The released recipes: 11 blocks, 13 layers, the last at the full rate.
EXPONENTS = {
    'backbone.patch_embed1.proj.weight': 12,
    'backbone.patch_embed4.weight': 12,
    'backbone.pos_embed': 12,
    'backbone.blocks1.0.conv1.weight': 12,
    'backbone.blocks2.1.mlp.fc2.bias': 12,
    'backbone.blocks3.0.attn.qkv.weight': 11,
    'backbone.blocks3.1.norm1.weight': 10,
    'backbone.blocks3.9.mlp.fc1.weight': 2,
    'backbone.blocks3.10.attn.proj.bias': 1,
}
HEADS = {
    'mmdet': (
        'backbone.window_rel_pos.table',
        'backbone.global_rel_pos.table',
        'neck.lateral_convs.0.conv.weight',
        'rpn_head.rpn_cls.weight',
        'roi_head.mask_head.conv_logits.weight',
    ),
    'mmseg': (
        'decode_head.conv_seg.weight',
        'decode_head.fpn_bottleneck.bn.weight',
        'auxiliary_head.conv_seg.bias',
    ),
    'mmpretrain': ('neck.norm.weight', 'head.fc.weight'),
}
ARCH = dict(embed_dims=[8, 16, 32], depths=[1, 1, 2], num_heads=2)
RATES = {'mmdet': 0.8, 'mmseg': 0.75, 'mmpretrain': 0.65}


class TinyBackbone(nn.Module):
    """Two blocks and a stem, in the layers of a ConvMAE with two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 2))
        self.stem = nn.Linear(2, 2)
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))

    def get_layer_depth(self, param_name, prefix=''):
        if not param_name.startswith(prefix):
            return 3, 4
        name = param_name[len(prefix) :]
        if name.startswith('blocks'):
            return int(name.split('.')[1]) + 1, 4
        return 0, 4


class TinyModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = TinyBackbone()
        self.norm = nn.LayerNorm(2)
        self.scale = nn.Parameter(torch.ones(2))
        self.head = nn.Linear(2, 2)


def build_model(scope: str) -> nn.Module:
    if scope == 'mmpretrain':
        init_default_scope(scope)
        return MODELS.build(Config(dict(model=CLASSIFIER)).model)
    name = {
        'mmdet': 'detection/mask-rcnn_convmae-base_fpn_lsj-25e_coco.py',
        'mmseg': 'segmentation/upernet_convmae-base_160k_ade20k-512x512.py',
    }[scope]
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    return MODELS.build(cfg.model)


def constructor(**paramwise_cfg) -> LayerDecayOptimWrapperConstructor:
    optimizer = dict(type='AdamW', lr=LR, weight_decay=WEIGHT_DECAY)
    return LayerDecayOptimWrapperConstructor(
        dict(optimizer=optimizer), paramwise_cfg
    )


def by_name(groups):
    return {name: group for group in groups for name in group.names}


@pytest.mark.slow
@pytest.mark.parametrize('scope', RATES)
def test_layers_of_real_models_decay_as_released(scope):
    model = build_model(scope)
    rate = RATES[scope]
    groups = constructor(layer_decay_rate=rate).layer_groups(model)
    print(f'\n{type(model).__name__}, rate {rate}')
    print(format_layer_groups(groups))
    found = by_name(groups)
    expected = EXPONENTS | dict.fromkeys(HEADS[scope], 0)
    scales = {name: found[name].lr_scale for name in expected}
    assert scales == pytest.approx(
        {name: rate**exponent for name, exponent in expected.items()}
    )
    # 13 layers, and every trainable parameter in exactly one of them
    assert [group.layer_id for group in groups] == list(range(13))
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(
        name for name, p in model.named_parameters() if p.requires_grad
    )
    # nothing outside the backbone is slowed down
    assert {
        group.lr_scale
        for name, group in found.items()
        if not name.startswith('backbone.')
    } == {1.0}


class TinySegmentor(nn.Module):
    """Any model of mmdet or mmseg, as their constructors see it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ConvMAE(ARCH, img_size=32)
        self.decode_head = nn.Linear(2, 2)

    def get_layer_depth(self, param_name):  # as mmpretrain's classifiers
        return self.backbone.get_layer_depth(param_name, 'backbone.')


def scales(
    model: nn.Module, scope: str, name: str, of: str = 'lr', **rules
) -> dict:
    """Rates of the parameters, as mmengine's runner has them built."""
    importlib.import_module(f'{scope}.engine')
    optim_wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=LR, weight_decay=WEIGHT_DECAY),
            constructor=f'{scope}.{name}',
            paramwise_cfg=rules,
        ),
    )
    rates = {
        id(param): group[of] / {'lr': LR, 'weight_decay': WEIGHT_DECAY}[of]
        for group in optim_wrapper.param_groups
        for param in group['params']
    }
    return {name: rates[id(p)] for name, p in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('scope', 'name', 'rules'),
    [
        (
            'mmdet',
            'LearningRateDecayOptimizerConstructor',
            dict(num_layers=6, decay_rate=0.5, decay_type='layer_wise'),
        ),
        (
            'mmseg',
            'LearningRateDecayOptimizerConstructor',
            dict(num_layers=2, decay_rate=0.5, decay_type='stage_wise'),
        ),
        (
            'mmseg',
            'LayerDecayOptimizerConstructor',
            dict(num_layers=2, layer_decay_rate=0.5),
        ),
        (
            'mmpretrain',
            'LearningRateDecayOptimWrapperConstructor',
            dict(layer_decay_rate=0.5),
        ),
    ],
)
def test_constructors_of_the_libraries_decay_our_layers(scope, name, rules):
    """mmseg's alone gives every block the rate of the head."""
    found = scales(TinySegmentor(), scope, name, **rules)
    assert found['backbone.patch_embed1.proj.weight'] == 0.5**3
    assert found['backbone.blocks1.0.conv1.weight'] == 0.5**3
    assert found['backbone.blocks3.0.attn.qkv.weight'] == 0.5**2
    assert found['backbone.blocks3.1.attn.qkv.weight'] == 0.5
    assert found['decode_head.weight'] == 1
    decay = scales(TinySegmentor(), scope, name, 'weight_decay', **rules)
    assert decay['backbone.blocks3.0.attn.qkv.weight'] == 1
    # mmpretrain's own knows our layers, and has settings for vectors
    assert decay['backbone.blocks3.0.norm1.weight'] == (scope == 'mmpretrain')


@pytest.mark.slow
def test_a_rate_that_is_missing_is_called_as_it_is_read():
    with pytest.raises(ConfigError, match='paramwise_cfg has no decay_rate'):
        scales(
            *(TinySegmentor(), 'mmseg'),
            'LearningRateDecayOptimizerConstructor',
            num_layers=2,
        )


@pytest.mark.slow
def test_other_backbones_keep_the_constructor_that_is_named():
    class MAEOfSomebody(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

    model = TinySegmentor()
    model.backbone = MAEOfSomebody()
    found = scales(
        *(model, 'mmseg', 'LearningRateDecayOptimizerConstructor'),
        **dict(num_layers=2, decay_rate=0.5),
    )
    assert found['backbone.layers.0.weight'] == 0.5**2
    assert found['decode_head.weight'] == 1


def test_weight_decay_rules_apply_in_order():
    groups = constructor(
        layer_decay_rate=0.5,
        norm_decay_mult=0.1,
        bias_decay_mult=0.2,
        flat_decay_mult=0.3,
        custom_keys={
            'backbone': dict(lr_mult=0.5),
            'backbone.pos': dict(decay_mult=0.0),
            'head.bias': dict(decay_mult=0.4, lr_mult=2.0),
        },
    ).layer_groups(TinyModel())
    found = by_name(groups)
    decay = {
        name: group.weight_decay / WEIGHT_DECAY
        for name, group in found.items()
    }
    assert decay == pytest.approx(
        {
            'backbone.pos_embed': 0.0,
            'backbone.stem.weight': 1.0,
            'backbone.stem.bias': 1.0,
            'backbone.blocks.0.weight': 1.0,
            'backbone.blocks.0.bias': 1.0,
            'backbone.blocks.1.weight': 1.0,
            'backbone.blocks.1.bias': 1.0,
            'norm.weight': 0.1,
            'norm.bias': 0.1,
            'scale': 0.3,
            'head.weight': 1.0,
            'head.bias': 0.4,
        }
    )
    assert found['backbone.pos_embed'].lr_scale == 0.5**3
    assert found['backbone.blocks.1.weight'].lr_scale == 0.5 * 0.5
    assert found['head.bias'].lr_scale == 2.0
    plain = constructor(layer_decay_rate=0.5, bias_decay_mult=0.2)
    bias = by_name(plain.layer_groups(TinyModel()))['backbone.stem.bias']
    assert bias.weight_decay == pytest.approx(0.2 * WEIGHT_DECAY)


def test_frozen_parameters_are_left_out_and_shared_ones_taken_once():
    model = TinyModel()
    model.backbone.pos_embed.requires_grad_(False)
    model.tied = nn.Linear(2, 2, bias=False)
    model.tied.weight = model.head.weight
    groups = constructor(layer_decay_rate=0.5).layer_groups(model)
    names = [name for group in groups for name in group.names]
    assert 'backbone.pos_embed' not in names
    assert names.count('head.weight') == 1
    assert 'tied.weight' not in names


def test_the_optimizer_gets_the_groups_and_a_schedule_keeps_their_ratios():
    model = TinyModel()
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=LR, weight_decay=WEIGHT_DECAY),
            constructor=CONSTRUCTOR,
            paramwise_cfg=dict(layer_decay_rate=0.5, bias_decay_mult=0.0),
        ),
    )
    groups = wrapper.optimizer.param_groups
    assert [group['group_name'] for group in groups] == [
        f'layer_{index}' for index in (0, 0, 1, 1, 2, 2, 3, 3)
    ]
    assert [group['weight_decay'] for group in groups] == [
        WEIGHT_DECAY,
        0.0,
    ] * 4
    schedule = CosineAnnealingLR(
        wrapper, eta_min_ratio=0.1, T_max=4, by_epoch=False
    )
    for factor in (None, None, 0.55, None, 0.1):
        if factor is not None:
            assert [g['lr'] for g in groups] == pytest.approx(
                [LR * g['lr_scale'] * factor for g in groups]
            )
        wrapper.optimizer.step()
        schedule.step()


def test_the_table_has_a_line_for_each_group():
    groups = constructor(layer_decay_rate=0.5).layer_groups(TinyModel())
    lines = format_layer_groups(groups).splitlines()
    assert len(lines) == 1 + 4
    assert lines[1].split()[:3] == ['layer_0', '0.125', '0.05']
    assert 'blocks.0' in lines[2]
    assert max(map(len, lines)) < 120


@pytest.mark.parametrize(
    ('paramwise_cfg', 'message'),
    [
        ({}, 'layer_decay_rate'),
        ({'norm_decay_mult': 0.0}, 'layer_decay_rate'),
        ({'layer_decay_rate': 0.0}, r'in \(0, 1\], got 0.0'),
        ({'layer_decay_rate': 1.5}, r'in \(0, 1\], got 1.5'),
        ({'layer_decay_rate': '0.75'}, "got '0.75'"),
        ({'layer_decay_rate': 0.75, 'num_layers': 11}, 'num_layers'),
        (
            {'layer_decay_rate': 0.75, 'custom_keys': {'norm': {'lr': 1}}},
            "custom_keys\\['norm'\\] has unknown keys \\['lr'\\]",
        ),
    ],
)
def test_settings_that_cannot_act_are_refused(paramwise_cfg, message):
    with pytest.raises(ValueError, match=message):
        constructor(**paramwise_cfg)


def test_custom_keys_that_match_nothing_are_refused():
    builder = constructor(
        layer_decay_rate=0.75, custom_keys={'rel_pos': dict(decay_mult=0.0)}
    )
    with pytest.raises(ValueError, match="'rel_pos'.*TinyModel"):
        builder.layer_groups(TinyModel())


def test_decay_rules_need_a_weight_decay():
    with pytest.raises(ValueError, match='flat_decay_mult'):
        LayerDecayOptimWrapperConstructor(
            dict(optimizer=dict(type='SGD', lr=LR)),
            dict(layer_decay_rate=0.75, flat_decay_mult=0.0),
        )


def test_the_optimizer_must_state_its_learning_rate():
    with pytest.raises(ValueError, match='"lr"'):
        LayerDecayOptimWrapperConstructor(
            dict(optimizer=dict(type='AdamW')), dict(layer_decay_rate=0.75)
        )


def test_the_backbone_is_found_at_any_depth():
    wrapped = nn.ModuleDict({'teacher': nn.ModuleDict({'m': TinyModel()})})
    prefix, backbone = find_layered_backbone(wrapped)
    assert prefix == 'teacher.m.backbone.'
    assert backbone is wrapped['teacher']['m'].backbone
    assert find_layered_backbone(TinyBackbone())[0] == ''


def test_no_backbone_and_two_backbones_are_refused():
    with pytest.raises(ValueError, match='inside Linear; found: none'):
        find_layered_backbone(nn.Linear(2, 2))
    model = TinyModel()
    model.other = TinyBackbone()
    with pytest.raises(ValueError, match="'backbone', 'other'"):
        find_layered_backbone(model)
