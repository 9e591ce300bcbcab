"""The released detectors and the segmentor in mmdet and mmseg."""

from __future__ import annotations

import json

import pytest
import torch
from golden_outputs import GOLDEN_DIR, Golden, assert_agrees, load_golden
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from convmae_mm.apis.config import find_config
from convmae_mm.checkpoint import (
    convert_released_state_dict,
    describe_released,
)
from convmae_mm.checkpoint.networks import model_config, network_named

DETECTORS = ('detector1', 'detector2')
LEVELS = range(5)


def build_detector(golden: Golden) -> nn.Module:
    """The golden detector with its weights, for testing."""
    released = golden.draw_weights()
    network = describe_released(released)
    model = MODELS.build(model_config(network))
    weights = convert_released_state_dict(released)
    model.load_state_dict(weights, strict=True)
    return model.eval()


@pytest.mark.parametrize('name', DETECTORS)
def test_a_golden_detector_computes_the_same(name: str) -> None:
    golden = load_golden(name)
    expected = golden.tensors
    model = build_detector(golden)
    boxes = expected['boxes']
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1)
    with torch.no_grad():
        maps = model.extract_feat(golden.image)
        logits, deltas = model.rpn_head(maps)
        box_results = model.roi_head._bbox_forward(maps, rois)
        mask_results = model.roi_head._mask_forward(maps, rois)
    for k in LEVELS:
        level = f'p{k + 2}'
        assert_agrees(maps[k][:, ::3, ::3, ::3], expected[level], level)
        for kind, found in (('logits', logits), ('deltas', deltas)):
            key = f'rpn_{kind}.{k}'
            assert_agrees(found[k][:, :, ::3, ::3], expected[key], key)
    for key in ('cls_score', 'bbox_pred'):
        assert_agrees(box_results[key], expected[key], key)
    masks = mask_results['mask_preds'][:, :, ::3, ::3]
    assert_agrees(masks, expected['mask_logits'], 'mask_logits')


def shipped_model(name: str, scope: str) -> nn.Module:
    """The model of a shipped config as it is, without memory."""
    file = network_named(name).shipped
    model = Config.fromfile(find_config(file)).model
    model.backbone.init_cfg = None
    with torch.device('meta'):
        return MODELS.build(ConfigDict(model, _scope_=scope))


def zeros(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    return {
        name: torch.zeros(shape, device='meta')
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize('name', DETECTORS)
def test_a_full_size_detector_loads_strictly(name: str) -> None:
    file = GOLDEN_DIR / f'{name}_keys.json'
    released = zeros(json.loads(file.read_text()))
    model = shipped_model(name, 'mmdet')
    weights = convert_released_state_dict(released)
    model.load_state_dict(weights, strict=True)
    # what the file says about itself is what the config says
    with torch.device('meta'):
        described = MODELS.build(model_config(describe_released(released)))
    assert str(described) == str(model)


def full_size_segmentor() -> dict[str, list[int]]:
    """Released names and shapes of the segmentor of base size at 512 px.

    Of the encoder, those of the golden network with the sizes that the base
    network has in their place.
    """
    sizes = {16: 256, 24: 384, 48: 768, 64: 1024, 96: 1536, 192: 3072}
    sizes |= {144: 3 * 768, 256: 32 * 32, 31 * 31: 63 * 63}
    shapes = {
        f'backbone.{name}': [sizes.get(n, n) for n in shape]
        for name, shape in load_golden('seg').meta['keys'].items()
    }
    for name, shape in shapes.items():
        if name.endswith('bias_table'):
            shape[1] = 12
    convs = {
        'decode_head.bottleneck': (768, 5 * 768, 3),
        'decode_head.fpn_bottleneck': (768, 4 * 768, 3),
        'auxiliary_head.convs.0': (256, 768, 3),
    }
    for k in range(4):
        convs[f'decode_head.psp_modules.{k}.1'] = (768, 768, 1)
    for k, channels in enumerate((256, 384, 768)):
        convs[f'decode_head.lateral_convs.{k}'] = (768, channels, 1)
        convs[f'decode_head.fpn_convs.{k}'] = (768, 768, 3)
    for name, (out, channels, side) in convs.items():
        shapes[f'{name}.conv.weight'] = [out, channels, side, side]
        for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.bn.{leaf}'] = [out]
        shapes[f'{name}.bn.num_batches_tracked'] = []
    for head, channels in (('decode', 768), ('auxiliary', 256)):
        shapes[f'{head}_head.conv_seg.weight'] = [150, channels, 1, 1]
        shapes[f'{head}_head.conv_seg.bias'] = [150]
    return shapes


def test_a_full_size_segmentor_loads_strictly() -> None:
    released = zeros(full_size_segmentor())
    model = shipped_model('segmentor', 'mmseg')
    weights = convert_released_state_dict(released)
    model.load_state_dict(weights, strict=True)
    config = model_config(describe_released(released))
    assert config['test_cfg']['stride'] == (341, 341)
    with torch.device('meta'):
        described = MODELS.build(config)
    assert str(described) == str(model)


def test_a_segmentor_may_lack_the_auxiliary_head() -> None:
    shapes = full_size_segmentor()
    released = zeros(
        {k: v for k, v in shapes.items() if not k.startswith('auxiliary')}
    )
    with torch.device('meta'):
        model = MODELS.build(model_config(describe_released(released)))
    assert not model.with_auxiliary_head
    weights = convert_released_state_dict(released)
    model.load_state_dict(weights, strict=True)


def test_the_scope_comes_with_the_config() -> None:
    """Whatever the default scope is, and it stays what it was."""
    network = describe_released(load_golden('detector2').draw_weights())
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(model_config(network))
        assert DefaultScope.get_current_instance().scope_name == 'mmseg'
    assert type(model).__module__.startswith('mmdet.')


def test_detector1_trains_in_one_process_on_a_cpu() -> None:
    """Its SyncBN is BatchNorm there."""
    golden = load_golden('detector1')
    model = build_detector(golden).train()
    before = model.neck.fpn_convs[0].bn.running_mean.clone()
    image = golden.image[:, :, :128, :128]
    sum(x.mean() for x in model.extract_feat(image)).backward()
    assert not model.neck.fpn_convs[0].bn.running_mean.equal(before)
    assert model.backbone.patch_embed1.proj.weight.grad is not None
