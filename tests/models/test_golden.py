"""The released networks, built from their own names, to 1e-4 relative."""

from __future__ import annotations

import pytest
import torch
from golden_outputs import Golden, assert_agrees, load_golden

from convmae_mm import ConvMAE
from convmae_mm.apis import build_from_official
from convmae_mm.checkpoint import convert_released_state_dict
from convmae_mm.models.selfsup import ConvMAEPretrain

PRETRAININGS = ['pretrain', 'pretrain_nonorm_r60', 'fast_pretrain']


def build_pretrain(name: str, golden: Golden) -> ConvMAEPretrain:
    """The golden pretraining network with its weights."""
    model = build_from_official(
        golden.draw_weights(),
        # too small for the heads to have 64 channels, as released ones have
        num_heads=golden.meta['num_heads'],
        decoder_num_heads=golden.meta['decoder'][2],
        num_masks=4 if name == 'fast_pretrain' else None,
        mask_ratio=golden.meta['mask_ratio'],
        norm_pix=golden.meta['norm_pix'],
    )
    assert isinstance(model, ConvMAEPretrain)
    return model


@pytest.mark.parametrize('name', PRETRAININGS)
def test_pretraining_outputs(name: str) -> None:
    golden = load_golden(name)
    output = build_pretrain(name, golden).run_masked(
        golden.image, golden.tensors['noise']
    )
    expected = golden.tensors
    assert torch.equal(output.mask, expected['mask'].bool())
    assert torch.equal(output.ids_restore, expected['ids_restore'].long())
    assert_agrees(output.latent, expected['latent'], 'latent')
    assert_agrees(output.pred[:, ::7, ::11], expected['pred'], 'pred')
    assert_agrees(output.loss.reshape(1), expected['loss'], 'loss')


@pytest.mark.parametrize('name', PRETRAININGS)
def test_pretraining_gradients(name: str) -> None:
    golden = load_golden(name)
    model = build_pretrain(name, golden)
    model.run_masked(golden.image, golden.tensors['noise']).loss.backward()
    gradients = {key: p.grad for key, p in model.named_parameters()}
    weights = golden.draw_weights()
    ours = dict(
        zip(weights, convert_released_state_dict(weights), strict=True)
    )
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


@pytest.mark.parametrize('name', ['cls_global_pool', 'cls_first_token'])
def test_classifiers(name: str) -> None:
    golden = load_golden(name)
    model = build_from_official(
        golden.draw_weights(), num_heads=golden.meta['num_heads']
    )
    with torch.no_grad():
        (features,) = model.extract_feat(golden.image)
        logits = model(golden.image, mode='tensor')
    assert_agrees(features, golden.tensors['features'], 'features')
    assert_agrees(logits, golden.tensors['logits'], 'logits')


@pytest.mark.parametrize(
    ('name', 'mode', 'maps'),
    [
        ('det_paper', 'detection', ['E1', 'E2', 'E3', 'E4']),
        ('det_mimdet', 'mimdet', ['E1', 'E2', 'E3', 'E4']),
        ('det_vitdet', 'vitdet', ['E3']),
        ('seg', 'seg', ['E1', 'E2', 'E3', 'E4']),
    ],
)
def test_backbones(name: str, mode: str, maps: list[str]) -> None:
    golden = load_golden(name)
    backbone = build_from_official(
        golden.draw_weights(),
        # not square, so the file does not tell
        img_size=golden.meta['input_hw'] if name == 'det_paper' else None,
    )
    assert isinstance(backbone, ConvMAE)
    assert backbone.mode == mode
    with torch.no_grad():
        outputs = backbone(golden.image)
    for key, actual in zip(maps, outputs, strict=True):
        assert_agrees(actual[:, :, ::3, ::3], golden.tensors[key], key)
