"""The released networks, computed by ours, to 1e-4 relative."""

from __future__ import annotations

import pytest
import torch
from golden_outputs import Golden, assert_agrees, load_golden

from convmae_mm import ConvMAE
from convmae_mm.checkpoint import convert_released_state_dict
from convmae_mm.models.selfsup import ConvMAEPretrain


def golden_arch(golden: Golden) -> dict:
    """The encoder of a golden file as our ``arch``."""
    return dict(
        embed_dims=golden.meta['dims'],
        depths=golden.meta['depth'],
        num_heads=golden.meta['num_heads'],
        mlp_ratios=golden.meta.get('mlp_ratio', [4, 4, 4]),
    )


def build_pretrain(golden: Golden) -> ConvMAEPretrain:
    """The golden pretraining network with its weights."""
    arch = golden_arch(golden)
    channels, depth, heads = golden.meta['decoder']
    model = ConvMAEPretrain(
        backbone=dict(type='convmae_mm.ConvMAE', arch=arch),
        neck=dict(
            type='convmae_mm.ConvMAEPretrainDecoder',
            in_channels=arch['embed_dims'],
            embed_dims=channels,
            depth=depth,
            num_heads=heads,
        ),
        head=dict(
            type='convmae_mm.ConvMAEPretrainHead',
            norm_pix=golden.meta['norm_pix'],
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        mask_ratio=golden.meta['mask_ratio'],
    )
    weights = convert_released_state_dict(golden.draw_weights())
    model.load_state_dict(weights, strict=True)
    return model


@pytest.mark.parametrize('name', ['pretrain', 'pretrain_nonorm_r60'])
def test_pretraining_outputs(name: str) -> None:
    golden = load_golden(name)
    output = build_pretrain(golden).run_masked(
        golden.image, golden.tensors['noise']
    )
    expected = golden.tensors
    assert torch.equal(output.mask, expected['mask'].bool())
    assert torch.equal(output.ids_restore, expected['ids_restore'].long())
    assert_agrees(output.latent, expected['latent'], 'latent')
    assert_agrees(output.pred[:, ::7, ::11], expected['pred'], 'pred')
    assert_agrees(output.loss.reshape(1), expected['loss'], 'loss')


@pytest.mark.parametrize('name', ['pretrain', 'pretrain_nonorm_r60'])
def test_pretraining_gradients(name: str) -> None:
    golden = load_golden(name)
    model = build_pretrain(golden)
    model.run_masked(golden.image, golden.tensors['noise']).loss.backward()
    gradients = {key: p.grad for key, p in model.named_parameters()}
    ours = {
        released: next(iter(convert_released_state_dict({released: tensor})))
        for released, tensor in golden.draw_weights().items()
    }
    norms = torch.stack(
        [gradients[ours[key]].norm() for key in golden.meta['grad_norm_order']]
    )
    assert_agrees(norms, golden.tensors['grad_norms'], 'gradient norms')
    named = [key for key in golden.tensors if key.startswith('grad.')]
    assert name != 'pretrain' or len(named) == 4
    for key in named:
        actual = gradients[ours[key.removeprefix('grad.')]]
        expected = golden.tensors[key]
        assert_agrees(actual.reshape(expected.shape), expected, key)


def test_paper_detection_mode() -> None:
    golden = load_golden('det_paper')
    backbone = ConvMAE(
        arch=golden_arch(golden),
        mode='detection',
        img_size=golden.meta['input_hw'],
    )
    weights = convert_released_state_dict(golden.draw_weights())
    backbone.load_state_dict(
        {key.removeprefix('backbone.'): t for key, t in weights.items()},
        strict=True,
    )
    with torch.no_grad():
        maps = backbone(golden.image)
    for index, actual in enumerate(maps):
        name = f'E{index + 1}'
        assert_agrees(actual[:, :, ::3, ::3], golden.tensors[name], name)
