from __future__ import annotations

import pytest
import torch
from released_networks import released_state

from convmae_mm import ConvMAE
from convmae_mm.checkpoint import (
    CheckpointError,
    UnmatchedTensorsError,
    convert_released_state_dict,
    initialise_backbone,
)
from convmae_mm.variants import mode_zoo

# The encoder of the golden files.
ARCH = dict(embed_dims=(16, 24, 48), depths=(2, 2, 11), num_heads=3)
NEW = {
    'plain': [],
    'detection': ['window_rel_pos.table', 'global_rel_pos.table'],
    'mimdet': ['window_rel_pos.table', 'global_rel_pos.table'],
    'vitdet': [
        f'blocks3.{block}.attn.rel_pos.{axis}'
        for block in range(11)
        for axis in ('height', 'width')
    ],
    'seg': [
        name
        for block in range(11)
        for name in (
            f'blocks3.{block}.attn.rel_pos.table',
            f'blocks3.{block}.scale1.weight',
            f'blocks3.{block}.scale2.weight',
        )
    ]
    + [
        f'downsample.{name}'
        for name in (
            '0.weight',
            '0.bias',
            '1.weight',
            '1.bias',
            '1.running_mean',
            '1.running_var',
            '1.num_batches_tracked',
        )
    ],
}


@pytest.mark.parametrize('mode', mode_zoo)
def test_a_pretraining_starts_every_mode(mode: str) -> None:
    backbone = ConvMAE(ARCH, mode=mode, img_size=320)
    report = initialise_backbone(backbone, released_state('pretrain'))
    assert sorted(report.new) == sorted(NEW[mode])
    assert not report.missing
    assert not report.unexpected
    assert [x.name for x in report.resized] == ['pos_embed']
    assert (report.resized[0].source, report.resized[0].target) == (
        (1, 196, 48),
        (1, 400, 48),
    )
    assert set(report.unused) == {'neck'}
    state = backbone.state_dict()
    assert {*report.loaded, *report.new, 'pos_embed'} == set(state)
    # what is new changes no feature: zero bias, unit scale
    for name in report.new:
        if 'rel_pos' in name:
            assert not state[name].any()
        elif 'scale' in name:
            assert (state[name] == 1).all()
    given = convert_released_state_dict(released_state('pretrain'))
    for name in report.loaded:
        assert torch.equal(state[name], given[f'backbone.{name}'])


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_weights_of_ours_with_and_without_prefix(prefix: str) -> None:
    torch.manual_seed(0)
    source = ConvMAE(ARCH, mode='mimdet', img_size=64)
    target = ConvMAE(ARCH, mode='mimdet', img_size=64)
    weights = {f'{prefix}{k}': v for k, v in source.state_dict().items()}
    report = initialise_backbone(target, weights)
    assert len(report.loaded) == len(weights)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name])


def test_parts_that_are_not_the_encoder_are_counted() -> None:
    weights = {
        f'backbone.{k}': v for k, v in ConvMAE(ARCH).state_dict().items()
    }
    weights |= {'rpn_head.a': torch.ones(1), 'rpn_head.b': torch.ones(1)}
    weights |= {'neck.c': torch.ones(1)}
    report = initialise_backbone(ConvMAE(ARCH), weights)
    assert report.unused == {'rpn_head': 2, 'neck': 1}


def test_first_convolution_is_inflated() -> None:
    weights = released_state('pretrain')
    rgb = weights['patch_embed1.proj.weight']
    five = ConvMAE(ARCH, in_channels=5)
    report = initialise_backbone(five, weights)
    (change,) = report.inflated
    assert change.source == (16, 3, 4, 4)
    assert change.target == (16, 5, 4, 4)
    inflated = five.patch_embed1.proj.weight
    assert torch.allclose(inflated[:, 3], rgb[:, 0] * 3 / 5)
    grey = ConvMAE(ARCH, in_channels=1).eval()
    initialise_backbone(grey, weights)
    colour = ConvMAE(ARCH).eval()
    initialise_backbone(colour, weights)
    # in float32 the order of summation alone may differ by more
    image = torch.randn(1, 1, 64, 64).double()
    maps = grey.double()(image), colour.double()(image.repeat(1, 3, 1, 1))
    for one, three in zip(*maps, strict=True):
        assert torch.allclose(one, three, atol=1e-5)


@pytest.mark.parametrize('shape', [(), (16, 0, 4, 4)])
def test_what_cannot_be_inflated_is_named(shape: tuple[int, ...]) -> None:
    weights = ConvMAE(ARCH).state_dict()
    weights['patch_embed1.proj.weight'] = torch.zeros(shape)
    with pytest.raises(UnmatchedTensorsError, match=r'proj\.weight. has \('):
        initialise_backbone(ConvMAE(ARCH), weights)


def test_too_few_tensors_are_an_error() -> None:
    weights = ConvMAE(ARCH).state_dict()
    few = {k: v for k, v in weights.items() if not k.startswith('blocks3.4.')}
    with pytest.raises(
        UnmatchedTensorsError,
        match=r"only 191 of 203 .*94\.1%.*'blocks3\.4\.norm1\.weight'",
    ):
        initialise_backbone(ConvMAE(ARCH), few)
    del weights['pos_embed']  # 99.5 % are there
    report = initialise_backbone(ConvMAE(ARCH), weights)
    assert report.missing == ('pos_embed',)


def test_another_arch_is_an_error() -> None:
    wide = ConvMAE({**ARCH, 'embed_dims': (16, 24, 96)})
    with pytest.raises(UnmatchedTensorsError, match='Is arch the one'):
        initialise_backbone(wide, released_state('pretrain'))


@pytest.mark.parametrize(
    ('name', 'mode', 'seen'),
    [
        ('det_mimdet', 'plain', 'shared relative positions'),
        ('det_mimdet', 'detection', 'windows of 16 tokens'),
        ('det_vitdet', 'mimdet', 'decomposed relative positions'),
        ('seg', 'vitdet', 'LayerScale'),
    ],
)
def test_another_mode_is_an_error_unless_allowed(
    name: str, mode: str, seen: str
) -> None:
    backbone = ConvMAE(ARCH, mode=mode, img_size=256)
    weights = released_state(name)
    with pytest.raises(CheckpointError, match=f'another mode.*{seen}'):
        initialise_backbone(backbone, weights)
    report = initialise_backbone(backbone, weights, allow_other_mode=True)
    assert report.unexpected
    assert not report.missing


def test_tables_are_resized_in_the_same_mode() -> None:
    backbone = ConvMAE(ARCH, mode='mimdet', img_size=768)
    report = initialise_backbone(backbone, released_state('det_mimdet'))
    assert {x.name for x in report.resized} == {
        'pos_embed',
        'global_rel_pos.table',
    }
    assert 'window_rel_pos.table' in report.loaded
