from __future__ import annotations

import pytest
import torch
from golden_outputs import load_golden
from released_networks import (
    OVERRIDES,
    VARIANTS,
    full_size_state,
    released_state,
)
from torch import Tensor

from convmae_mm.checkpoint import (
    CheckpointError,
    convert_released_state_dict,
    describe_ours,
    describe_released,
    find_variant,
)
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.variants import arch_zoo, mode_zoo

ARCH = dict(
    embed_dims=(16, 24, 48),
    depths=(2, 2, 11),
    num_heads=3,
    mlp_ratios=(4, 4, 4),
)
# What ConvMAE is to be built with, beside arch and in_channels.
SETTINGS = {
    'pretrain': dict(mode='plain', img_size=224),
    'pretrain_nonorm_r60': dict(mode='plain', img_size=224),
    'fast_pretrain': dict(mode='plain', img_size=224),
    'cls_global_pool': dict(mode='plain', img_size=224),
    'cls_first_token': dict(mode='plain', img_size=224),
    'det_paper': dict(mode='detection', img_size=(256, 352)),
    'det_mimdet': dict(mode='mimdet', img_size=512),
    'det_vitdet': dict(mode='vitdet', img_size=256, pretrain_img_size=224),
    'seg': dict(mode='seg', img_size=256),
    'detector1': dict(mode='mimdet', img_size=512),
    'detector2': dict(mode='vitdet', img_size=256, pretrain_img_size=224),
    'segmentor': dict(mode='seg', img_size=256),
}


def build_state(out: str = 'backbone', **settings) -> dict[str, Tensor]:
    """An encoder of ours, whole, by our names."""
    state = ConvMAE(**settings).state_dict()
    return {f'{out}.{key}': tensor for key, tensor in state.items()}


@pytest.mark.parametrize('name', VARIANTS)
def test_golden_networks(name: str) -> None:
    state = released_state(name)
    assert find_variant(state) == VARIANTS[name]
    network = describe_released(state, **OVERRIDES.get(name, {}))
    assert network.variant == VARIANTS[name]
    assert network.backbone == dict(arch=ARCH, in_channels=3, **SETTINGS[name])
    ours = convert_released_state_dict(state)
    assert describe_ours(ours, **OVERRIDES.get(name, {})).backbone == (
        network.backbone
    )


@pytest.mark.parametrize('name', ['pretrain', 'fast_pretrain'])
def test_decoder(name: str) -> None:
    network = describe_released(released_state(name), **OVERRIDES[name])
    channels, depth, heads = load_golden(name).meta['decoder']
    assert network.parts['decoder'] == dict(
        in_channels=(16, 24, 48),
        img_size=224,
        embed_dims=channels,
        depth=depth,
        num_heads=heads,
        mlp_ratio=4,
        out_channels=3,
    )


@pytest.mark.parametrize(
    ('name', 'part', 'expected'),
    [
        (
            'cls_global_pool',
            'classifier',
            dict(num_classes=10, pooling='mean'),
        ),
        (
            'cls_first_token',
            'classifier',
            dict(num_classes=10, pooling='first_token'),
        ),
        *(
            (
                f'detector{k}',
                'detector',
                dict(fpn_channels=32, fc_channels=48, num_classes=7),
            )
            for k in (1, 2)
        ),
        (
            'segmentor',
            'segmentor',
            dict(channels=8, num_classes=5, auxiliary_channels=6),
        ),
    ],
)
def test_heads(name: str, part: str, expected: dict) -> None:
    network = describe_released(
        released_state(name), **OVERRIDES.get(name, {})
    )
    assert network.parts == {part: expected}


def test_a_segmentor_without_auxiliary_head() -> None:
    state = {
        key: x
        for key, x in released_state('segmentor').items()
        if not key.startswith('auxiliary_head.')
    }
    segmentor = describe_released(state).parts['segmentor']
    assert segmentor['auxiliary_channels'] is None


@pytest.mark.parametrize('detector', [1, 2])
def test_full_size_detectors(detector: int) -> None:
    network = describe_released(full_size_state(detector))
    base = arch_zoo['base']
    assert network.backbone['arch'] == dict(
        embed_dims=base.embed_dims,
        depths=base.depths,
        num_heads=base.num_heads,
        mlp_ratios=base.mlp_ratios,
    )
    assert network.backbone['img_size'] == 1024
    assert network.parts['detector'] == dict(
        fpn_channels=256, fc_channels=1024, num_classes=80
    )


@pytest.mark.parametrize('name', arch_zoo)
def test_heads_of_the_published_sizes(name: str) -> None:
    with torch.device('meta'):
        state = build_state(arch=name)
    arch = describe_ours(state).backbone['arch']
    expected = arch_zoo[name]
    assert arch == dict(
        embed_dims=expected.embed_dims,
        depths=expected.depths,
        num_heads=expected.num_heads,
        mlp_ratios=expected.mlp_ratios,
    )


def test_the_large_network_of_the_first_generation() -> None:
    arch = dict(
        embed_dims=(384, 768, 1024),
        depths=(2, 2, 20),
        num_heads=16,
        mlp_ratios=(4, 4, 4),
    )
    with torch.device('meta'):
        state = build_state(arch=arch)
    assert describe_ours(state).backbone['arch'] == arch


@pytest.mark.parametrize(
    'settings',
    [
        dict(mode='mimdet', img_size=128, window_size=4),
        dict(mode='detection', img_size=112),
        dict(mode='vitdet', img_size=(256, 320)),
        dict(mode='vitdet', img_size=256, pretrain_img_size=224),
        dict(mode='vitdet', img_size=64),
        dict(mode='vitdet', img_size=256, window_size=5),
        dict(mode='vitdet', img_size=256, window_block_indexes=(1, 4)),
        dict(mode='vitdet', img_size=256, window_block_indexes=()),
        dict(mode='vitdet', img_size=224),
        dict(mode='seg', img_size=64),
        dict(mode='plain', img_size=32, in_channels=1),
    ],
    ids=str,
)
def test_any_setting_is_read_back(settings: dict) -> None:
    backbone = ConvMAE(arch=ARCH, **settings)
    state = backbone.state_dict()
    non_square = isinstance(settings['img_size'], tuple)
    network = describe_ours(
        state,
        num_heads=3,
        **(dict(img_size=settings['img_size']) if non_square else {}),
    )
    assert network.backbone == dict(
        arch=ARCH, in_channels=settings.pop('in_channels', 3), **settings
    )
    again = ConvMAE(**network.backbone)
    assert again.window_block_indexes == backbone.window_block_indexes
    again.load_state_dict(state)


def test_mlp_ratios_need_not_be_whole() -> None:
    arch = {**ARCH, 'mlp_ratios': (2, 2.5, 4)}
    network = describe_ours(build_state(arch=arch, img_size=32), num_heads=3)
    ratios = network.backbone['arch']['mlp_ratios']
    assert ratios == (2, 2.5, 4)
    assert [type(ratio) for ratio in ratios] == [int, float, int]


def test_heads_that_nothing_tells_must_be_given() -> None:
    state = released_state('pretrain')
    with pytest.raises(CheckpointError, match='48 channels.*give num_heads'):
        describe_released(state)
    with pytest.raises(CheckpointError, match='give decoder_num_heads'):
        describe_released(state, num_heads=3)
    with pytest.raises(CheckpointError, match='num_heads=5 must divide'):
        describe_released(state, num_heads=5)
    with pytest.raises(
        CheckpointError, match='decoder_num_heads.*num_heads=5'
    ):
        describe_released(state, num_heads=3, decoder_num_heads=5)


@pytest.mark.parametrize('name', ['det_mimdet', 'det_vitdet', 'seg'])
def test_heads_must_agree_with_the_tables(name: str) -> None:
    with pytest.raises(CheckpointError, match='num_heads=4 contradicts'):
        describe_released(released_state(name), num_heads=4)


def test_a_size_that_is_not_square_must_be_given() -> None:
    state = released_state('det_paper')
    with pytest.raises(CheckpointError, match=r'such as \(256, 352\)'):
        describe_released(state)
    # As many patches, but not as many rows in the table of positions.
    with pytest.raises(CheckpointError, match='does not fit'):
        describe_released(state, img_size=(128, 704))
    with pytest.raises(CheckpointError, match='divisible by 16'):
        describe_released(state, img_size=(250, 352))
    # Either way round fits every shape, so the user decides.
    network = describe_released(state, img_size=(352, 256))
    assert network.backbone['img_size'] == (352, 256)


@pytest.mark.parametrize('mode', mode_zoo)
def test_a_pretraining_network_in_another_mode(mode: str) -> None:
    network = describe_released(
        released_state('pretrain'),
        mode=mode,
        img_size=512,
        num_heads=3,
        decoder_num_heads=4,
    )
    expected = dict(arch=ARCH, mode=mode, img_size=512, in_channels=3)
    if mode == 'vitdet':
        # stored as it was pretrained, and resized in every forward pass
        expected['pretrain_img_size'] = 224
    assert network.backbone == expected
    assert network.parts['decoder']['img_size'] == 224


def test_overrides() -> None:
    state = released_state('det_vitdet')
    with pytest.raises(CheckpointError, match="mode='swin'.*'vitdet'"):
        describe_released(state, mode='swin')
    assert describe_released(state, mode='plain').backbone == dict(
        arch=ARCH, mode='plain', img_size=224, in_channels=3
    )
    network = describe_released(state, window_block_indexes=[1, 2])
    assert network.backbone['window_block_indexes'] == (1, 2)


def test_the_encoder_of_another_model_of_ours() -> None:
    """A detector of ours with heads that nobody released."""
    state = build_state(arch=ARCH, mode='detection', img_size=128)
    state['neck.convs.0.weight'] = torch.zeros(1)
    network = describe_ours(state)
    assert network.variant == 'backbone'
    assert network.backbone['mode'] == 'detection'
