"""A new kind of released network is one row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from released_networks import released_state
from torch import Tensor, nn

from convmae_mm import ConvMAE, cli
from convmae_mm.apis import build_from_official
from convmae_mm.checkpoint import (
    ReleasedNetwork,
    UnmatchedTensorsError,
    convert_released_state_dict,
    describe_ours,
    describe_released,
    export_released_state_dict,
    find_variant,
    load_weights_file,
)
from convmae_mm.checkpoint.networks import NETWORKS, Network, network_named
from convmae_mm.checkpoint.networks.layers import affine
from convmae_mm.checkpoint.networks.network import with_encoder

DEPTH_RULES = affine('depth.out', 'depth_head.conv', 'bins c3 1 1')


class Depth(Network):
    def config(self, network: ReleasedNetwork) -> ConfigDict:
        return ConfigDict(
            type='DepthEstimator',
            backbone=dict(type='convmae_mm.ConvMAE', **network.backbone),
            **network.parts['estimator'],
        )


ROW = Depth(
    name='depth',
    title='a depth estimator',
    sign=r'depth\.',
    prefix='trunk.',
    rules={'': with_encoder(DEPTH_RULES, 'trunk.')},
    part='estimator',
    sizes=('bins',),
    shipped='depth/depth_convmae-base.py',
)


class DepthEstimator(BaseModule):
    def __init__(self, backbone: dict, bins: int) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        channels = self.backbone.arch.embed_dims[2]
        self.depth_head = nn.ModuleDict({'conv': nn.Conv2d(channels, bins, 1)})

    def forward(self, images: Tensor) -> Tensor:
        return self.depth_head['conv'](self.backbone(images)[-1])


@pytest.fixture(autouse=True)
def _seventh_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(MODELS.module_dict, 'DepthEstimator', DepthEstimator)
    NETWORKS.insert(0, ROW)
    yield
    NETWORKS.remove(ROW)


@pytest.fixture
def released() -> dict[str, Tensor]:
    state = {f'trunk.{k}': x for k, x in released_state('det_vitdet').items()}
    state['depth.out.weight'] = torch.randn(5, 48, 1, 1)
    state['depth.out.bias'] = torch.randn(5)
    return state


def test_it_is_described_and_converted(released: dict[str, Tensor]) -> None:
    assert find_variant(released) == 'depth'
    network = describe_released(released)
    assert network.parts == {'estimator': {'bins': 5}}
    assert network.backbone['mode'] == 'vitdet'
    ours = convert_released_state_dict(released)
    assert 'depth_head.conv.bias' in ours
    assert describe_ours(ours) == network
    back = export_released_state_dict(ours)
    assert back.keys() == released.keys()
    assert all(torch.equal(back[k], x) for k, x in released.items())


def test_what_is_wrong_with_it_is_told(released: dict[str, Tensor]) -> None:
    released['depth.out.weight'] = torch.randn(5, 47, 1, 1)
    del released['trunk.pos_embed']
    with pytest.raises(
        UnmatchedTensorsError,
        match=r"network \(depth\), but missing: \['trunk\.pos_embed'\]; "
        r"wrong shape: 'depth\.out\.weight' has \(5, 47, 1, 1\) instead of "
        r'\(5, 48, 1, 1\)',
    ):
        convert_released_state_dict(released)


def test_the_commands_know_it(
    released: dict[str, Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('COLUMNS', '400')
    file, ours = tmp_path / 'depth.pth', tmp_path / 'ours.pth'
    torch.save({'model': released}, file)
    assert cli.main(['inspect', str(file)]) == 0
    told = capsys.readouterr().out
    assert 'a depth estimator' in told
    assert 'bins 5' in told
    assert 'config: depth/depth_convmae-base.py' in told
    assert cli.main(['convert', str(file), '--out', str(ours)]) == 0
    settings = load_weights_file(ours).settings
    assert settings['variant'] == 'depth'
    assert settings['estimator'] == {'bins': 5}


def test_it_is_built_and_trained(
    released: dict[str, Tensor], tmp_path: Path
) -> None:
    model = build_from_official(released)
    assert type(model) is DepthEstimator
    ours = convert_released_state_dict(released)
    assert all(torch.equal(model.state_dict()[k], x) for k, x in ours.items())
    model.train()(torch.rand(2, 3, 64, 64)).mean().backward()
    file = tmp_path / 'depth.pth'
    torch.save({'model': released}, file)
    # a training that starts from its encoder
    backbone = ConvMAE(
        **describe_released(released).backbone,
        init_cfg=dict(type='convmae_mm.PretrainedConvMAE', checkpoint=file),
    )
    backbone.init_weights()
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, ours[f'backbone.{name}']), name


def test_names_are_unique() -> None:
    names = [network.name for network in NETWORKS]
    assert len(set(names)) == len(names)
    assert all(network_named(x.name) is x for x in NETWORKS)
