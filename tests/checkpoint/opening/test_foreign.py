from __future__ import annotations

import pytest
import torch
from released_networks import VARIANTS, released_state

from convmae_mm.checkpoint import (
    ForeignNetworkError,
    convert_released_state_dict,
    find_variant,
)
from convmae_mm.checkpoint.opening.foreign import check_is_convmae

VIT_BLOCK = (
    *('norm1.weight', 'attn.qkv.weight', 'attn.proj.weight'),
    *('norm2.weight', 'mlp.fc1.weight', 'mlp.fc2.weight'),
)
VIT = (
    *('cls_token', 'pos_embed', 'patch_embed.proj.weight', 'norm.weight'),
    *(f'blocks.{k}.{name}' for k in range(12) for name in VIT_BLOCK),
)
NETWORKS = {
    'a plain vision transformer (timm)': (*VIT, 'head.weight'),
    'a MAE of a plain ViT': (
        *VIT,
        'mask_token',
        'decoder_embed.weight',
        *(f'decoder_blocks.0.{name}' for name in VIT_BLOCK),
    ),
    'a BEiT': (*VIT, 'blocks.0.attn.relative_position_bias_table'),
    'a vision transformer of mmpretrain': (
        *('backbone.cls_token', 'backbone.patch_embed.projection.weight'),
        'backbone.layers.0.attn.qkv.weight',
    ),
    'a Swin transformer': (
        *('patch_embed.proj.weight', 'patch_embed.norm.weight'),
        'layers.0.blocks.0.attn.relative_position_bias_table',
        'layers.0.blocks.0.attn.qkv.weight',
    ),
    'a ResNet': ('conv1.weight', 'bn1.weight', 'layer1.0.conv1.weight'),
    'a ConvNeXt': (
        *('downsample_layers.0.0.weight', 'stages.0.0.dwconv.weight'),
    ),
    'a PVT': ('patch_embed1.proj.weight', 'block1.0.attn.q.weight'),
    'a UniFormer': (
        *('patch_embed1.proj.weight', 'blocks1.0.conv1.weight'),
        *('blocks2.0.conv1.weight', 'blocks3.0.attn.qkv.weight'),
        'blocks4.0.attn.qkv.weight',
    ),
}


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
@pytest.mark.parametrize('kind', NETWORKS)
def test_well_known_networks(kind: str, prefix: str) -> None:
    names = [prefix + name for name in NETWORKS[kind]]
    with pytest.raises(ForeignNetworkError) as caught:
        check_is_convmae(names)
    told = str(caught.value)
    assert f'look like {kind}' in told
    assert repr(names[0]) in told
    assert 'needed is a ConvMAE network' in told
    with pytest.raises(ForeignNetworkError, match='look like'):
        convert_released_state_dict({x: torch.zeros(1) for x in names})


def test_an_unknown_network() -> None:
    names = [f'encoder.{k}.weight' for k in range(20)]
    with pytest.raises(ForeignNetworkError, match='20 tensors.*none that is'):
        find_variant(names)
    with pytest.raises(ForeignNetworkError):
        find_variant([])


@pytest.mark.parametrize('name', VARIANTS)
def test_convmae_is_not_foreign(name: str) -> None:
    state = released_state(name)
    check_is_convmae(state)
    check_is_convmae(convert_released_state_dict(state))
