from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from released_networks import released_state

from convmae_mm import ConvMAE
from convmae_mm.apis import build_from_official
from convmae_mm.checkpoint import CheckpointError
from convmae_mm.engine import PretrainedConvMAE, pretrained

ARCH = dict(embed_dims=(16, 24, 48), depths=(2, 2, 11), num_heads=3)


@pytest.fixture(scope='module')
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released pretraining file."""
    path = tmp_path_factory.mktemp('released') / 'pretrain.pth'
    torch.save({'model': released_state('pretrain'), 'epoch': 1599}, path)
    return path


def test_a_config_starts_from_a_released_file(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(
        pretrained, 'print_log', lambda text, logger: logged.append(text)
    )
    backbone = ConvMAE(
        ARCH,
        mode='detection',
        img_size=256,
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE', checkpoint=str(released)
        ),
    )
    backbone.init_weights()
    weights = released_state('pretrain')
    assert torch.equal(
        backbone.blocks3[4].attn.qkv.weight,
        weights['blocks3.4.attn.qkv.weight'],
    )
    (said,) = logged
    for row in ('loaded', 'pos_embed (1, 196, 48) -> (1, 256, 48)', 'neck.*'):
        assert row in said
    assert 'global_rel_pos.table' in said


def test_it_builds_in_a_process_that_imported_nothing(released: Path) -> None:
    code = (
        'from mmengine.registry import MODELS\n'
        'net = MODELS.build(dict(type="convmae_mm.ConvMAE",'
        f'arch={ARCH}, init_cfg=dict(type="convmae_mm.PretrainedConvMAE",'
        f'checkpoint={str(released)!r})))\n'
        'net.init_weights()\n'
        'print(float(net.pos_embed.abs().sum()) > 0)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.stdout.endswith('True\n'), done.stderr


def test_pretraining_goes_on_with_its_decoder(released: Path) -> None:
    init_default_scope('mmpretrain')
    source = build_from_official(released, num_heads=3, decoder_num_heads=4)
    config = dict(
        type='convmae_mm.ConvMAEPretrain',
        backbone=dict(type='convmae_mm.ConvMAE', arch=ARCH, img_size=160),
        neck=dict(
            type='convmae_mm.ConvMAEPretrainDecoder',
            in_channels=(16, 24, 48),
            img_size=160,
            embed_dims=32,
            depth=2,
            num_heads=4,
        ),
        head=dict(
            type='convmae_mm.ConvMAEPretrainHead',
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        init_cfg=dict(
            type='convmae_mm.PretrainedConvMAE', checkpoint=str(released)
        ),
    )
    model = MODELS.build(config)
    fixed = model.neck.pos_embed.clone()
    model.init_weights()
    for name, tensor in model.state_dict().items():
        if not name.endswith('pos_embed'):
            assert torch.equal(tensor, source.state_dict()[name]), name
    # fixed sines and cosines of another grid
    assert torch.equal(model.neck.pos_embed, fixed)


def test_errors_name_the_file(released: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match='not Linear.*backbone'):
        PretrainedConvMAE(released)(torch.nn.Linear(1, 1))
    with pytest.raises(FileNotFoundError, match='missing.pth'):
        PretrainedConvMAE(tmp_path / 'missing.pth')(ConvMAE(ARCH))
    wide = ConvMAE({**ARCH, 'num_heads': 2, 'embed_dims': (16, 24, 50)})
    with pytest.raises(CheckpointError, match=r'pretrain\.pth: .*shape'):
        PretrainedConvMAE(released)(wide)
    whole = torch.nn.Module()
    whole.backbone = ConvMAE(ARCH)
    whole.decode_head = torch.nn.Linear(1, 1)
    with pytest.raises(CheckpointError, match=r"'decode_head\.weight'"):
        PretrainedConvMAE(released)(whole)
