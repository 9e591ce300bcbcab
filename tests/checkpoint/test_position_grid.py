"""An oblong position embedding is resized by the grid that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convmae_mm import ConvMAE
from convmae_mm.engine.pretrained import PretrainedConvMAE
from convmae_mm.ops.positions import resize_positions

ARCH = dict(embed_dims=(8, 8, 8), depths=(1, 1, 1), num_heads=2)


def build(size: tuple[int, int]) -> ConvMAE:
    backbone = ConvMAE(ARCH, img_size=size)
    torch.nn.init.normal_(backbone.pos_embed)
    return backbone


@pytest.mark.parametrize(
    ('source', 'target'),
    [
        ((64, 256), (128, 128)),
        ((128, 128), (64, 256)),
        ((64, 256), (256, 64)),
        ((64, 128), (512, 512)),
        ((64, 128), (64, 128)),
    ],
)
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_an_encoder_of_ours_at_another_size(
    source: tuple[int, int],
    target: tuple[int, int],
    prefix: str,
    tmp_path: Path,
) -> None:
    trained, backbone = build(source), build(target)
    file = tmp_path / 'epoch_1.pth'
    text = (
        f"model = dict(backbone=dict(type='convmae_mm.ConvMAE', "
        f'img_size={source}))\n'
    )
    state = {f'{prefix}{k}': x for k, x in trained.state_dict().items()}
    torch.save(dict(state_dict=state, meta=dict(cfg=text)), file)
    PretrainedConvMAE(file)(backbone)
    expected = resize_positions(trained.pos_embed, trained.grid, backbone.grid)
    assert torch.equal(backbone.pos_embed, expected)
