"""The released detectors and the segmentor are trained as they were."""

from __future__ import annotations

import math
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from convmae_mm.apis.config import find_config
from convmae_mm.checkpoint.networks import network_named

DETECTOR1 = network_named('detector1').shipped
DETECTOR2 = network_named('detector2').shipped
SEGMENTOR = network_named('segmentor').shipped
PRETRAINING = 'pretrain/convmae-base_24xb128-amp-coslr-1600e_in1k.py'
FINE_TUNING = 'classification/convmae-base_8xb128-amp-coslr-100e_in1k.py'
LINEAR = 'classification/convmae-base_8xb512-amp-linear-coslr-90e_in1k.py'


def parameter_settings(file: str) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter, by name."""
    cfg = Config.fromfile(find_config(file))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        with torch.device('meta'):
            model = MODELS.build(
                ConfigDict(cfg.model, _scope_=cfg.default_scope)
            )
        # mixed precision is a matter of the device, not of the groups
        wrapper = build_optim_wrapper(
            model,
            {
                key: value
                for key, value in cfg.optim_wrapper.items()
                if key not in ('type', 'dtype', 'loss_scale')
            }
            | {'type': 'OptimWrapper'},
        )
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }


def test_pretraining() -> None:
    settings = parameter_settings(PRETRAINING)
    (rate,) = {lr for lr, _ in settings.values()}
    assert rate == pytest.approx(1.8e-3)
    for name, (_, decay) in settings.items():
        # the mask token, (1, 1, 512), is decayed; vectors are not
        flat = name.endswith('.bias') or '.norm' in name or 'norm.' in name
        flat = flat or name.split('.')[-2] in ('norm1', 'norm2')
        assert decay == (0 if flat else 0.05), name
    assert settings['neck.mask_token'][1] == 0.05
    # fixed sine-cosine tables are not trained
    assert not any('pos_embed' in name for name in settings)


def test_fine_tuning() -> None:
    settings = parameter_settings(FINE_TUNING)
    for name, layer, decay in (
        ('backbone.pos_embed', 0, 0),
        ('backbone.blocks1.0.mlp.fc1.weight', 0, 0.05),
        ('backbone.blocks3.0.attn.qkv.weight', 1, 0.05),
        ('backbone.blocks3.10.attn.qkv.bias', 11, 0),
        ('neck.norm.weight', 12, 0),
        ('head.fc.weight', 12, 0.05),
        ('head.fc.bias', 12, 0),
    ):
        rate = 2e-3 * 0.65 ** (12 - layer)
        assert settings[name] == pytest.approx((rate, decay)), name


def test_linear_probe() -> None:
    """Only the classifier learns, and nothing is decayed."""
    settings = parameter_settings(LINEAR)
    learning = {name for name, (lr, _) in settings.items() if lr > 0}
    assert learning == {'head.fc.weight', 'head.fc.bias'}
    assert settings['head.fc.weight'] == pytest.approx((1.6, 0))
    assert not any(name.startswith('backbone.') for name in settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('file', 'like'),
    [
        ('mask-rcnn_convmae-base_fpn_lsj-25e_coco.py', DETECTOR1),
        ('mask-rcnn_convmae-base-mimdet_fpn_lsj-25e-24gb_coco.py', DETECTOR1),
        ('mask-rcnn_convmae-base-mimdet_fpn_lsj-25e-16gb_coco.py', DETECTOR1),
        (
            'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e-24gb_coco.py',
            DETECTOR2,
        ),
    ],
)
def test_variants_of_a_recipe_have_its_groups(file: str, like: str) -> None:
    assert parameter_settings(f'detection/{file}') == parameter_settings(like)


PRESETS = (
    'mask-rcnn_convmae-base-mimdet_fpn_lsj-25e',
    'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e',
    'mask-rcnn_convmae-base_fpn_lsj-25e',
)


@pytest.mark.parametrize('name', PRESETS)
def test_presets_differ_in_what_is_recomputed(name: str) -> None:
    large, small = (
        Config.fromfile(find_config(f'detection/{name}-{preset}_coco.py'))
        for preset in ('24gb', '16gb')
    )
    assert large.model.backbone.with_cp == (1, 2)
    assert small.model.backbone.with_cp is True
    small.model.backbone.with_cp = (1, 2)
    assert small.to_dict() == large.to_dict()


def test_photos_are_never_decoded_too_small_for_their_crops() -> None:
    file = 'pretrain/convmae-base_1xb64-amp-coslr-100e_own-images.py'
    cfg = Config.fromfile(find_config(file))
    load, crop, *_ = cfg.train_dataloader.dataset.pipeline
    smallest, widest = crop.crop_ratio_range[0], 4 / 3
    assert load.min_side == math.ceil(
        crop.scale / math.sqrt(smallest / widest)
    )


def test_detector1() -> None:
    settings = parameter_settings(DETECTOR1)
    assert {lr for lr, _ in settings.values()} == {8e-5}
    undecayed = {name for name, (_, decay) in settings.items() if decay == 0}
    tables = {'pos_embed', 'window_rel_pos.table', 'global_rel_pos.table'}
    assert {f'backbone.{name}' for name in tables} <= undecayed
    norms = ('norm', 'norm1', 'norm2', 'bn')
    rest = [name for name in undecayed if name.split('.')[-2] not in norms]
    assert {name.removeprefix('backbone.') for name in rest} == tables
    # biases are decayed like weights
    assert settings['rpn_head.rpn_cls.bias'] == (8e-5, 0.1)
    assert settings['backbone.blocks1.0.mlp.fc1.bias'] == (8e-5, 0.1)


def test_detector2() -> None:
    settings = parameter_settings(DETECTOR2)
    for name, layer, decay in (
        ('backbone.pos_embed', 0, 0),
        ('backbone.blocks2.1.mlp.fc2.weight', 0, 0.1),
        ('backbone.blocks3.0.norm1.weight', 1, 0),
        ('backbone.blocks3.10.attn.rel_pos.height', 11, 0.1),
        ('neck.resize.0.1.weight', 12, 0.1),
        ('neck.fpn_convs.3.ln.bias', 12, 0.1),
        ('roi_head.mask_head.convs.0.ln.weight', 12, 0.1),
        ('rpn_head.rpn_reg.bias', 12, 0.1),
    ):
        rate = 1e-4 * 0.8 ** (12 - layer)
        assert settings[name] == pytest.approx((rate, decay)), name


def test_segmentor() -> None:
    settings = parameter_settings(SEGMENTOR)
    for name, layer, decay in (
        ('backbone.patch_embed1.proj.weight', 0, 0.05),
        ('backbone.blocks3.4.scale1.weight', 5, 0),
        ('backbone.blocks3.4.attn.rel_pos.table', 5, 0.05),
        ('backbone.blocks3.4.attn.qkv.bias', 5, 0),
        ('backbone.downsample.0.weight', 12, 0.05),
        ('backbone.downsample.1.weight', 12, 0),
        ('decode_head.bottleneck.conv.weight', 12, 0.05),
    ):
        rate = 1e-4 * 0.75 ** (12 - layer)
        assert settings[name] == pytest.approx((rate, decay)), name


def packed_picture(file: str, folder: Path) -> tuple[torch.Tensor, tuple]:
    """The pixels and the ``img_shape`` of a tested picture, 30 x 60 px."""
    picture = folder / 'white.png'
    mmcv.imwrite(np.full((30, 60, 3), 255, np.uint8), str(picture))
    cfg = Config.fromfile(find_config(file))
    with DefaultScope.overwrite_default_scope('mmdet'):
        pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
        packed = pipeline(
            dict(img_path=str(picture), img_id=0, height=30, width=60)
        )
    return packed['inputs'], packed['data_samples'].img_shape


def test_detector1_pads_with_grey_and_clips_to_the_picture(tmp_path) -> None:
    pixels, shape = packed_picture(DETECTOR1, tmp_path)
    assert pixels.shape == (3, 1024, 1024)
    assert shape == (512, 1024)
    assert (pixels[:, :512] == 255).all()
    assert (pixels[:, 512:] == 128).all()


def test_detector2_is_padded_by_the_model(tmp_path) -> None:
    pixels, shape = packed_picture(DETECTOR2, tmp_path)
    assert pixels.shape == (3, 512, 1024)
    assert shape == (512, 1024)


@pytest.mark.parametrize('file', [DETECTOR1, DETECTOR2])
def test_jittering_pads_crops_and_recomputes_boxes(file: str, tmp_path):
    """Of an object that a crop cuts, the box surrounds what is left."""
    picture = tmp_path / 'picture.png'
    mmcv.imwrite(np.zeros((60, 80, 3), np.uint8), str(picture))
    triangle = [10, 5, 70, 30, 10, 55]
    instance = dict(
        bbox=[10, 5, 70, 55], mask=[triangle], bbox_label=0, ignore_flag=0
    )
    cfg = Config.fromfile(find_config(file))
    seen = set()
    with DefaultScope.overwrite_default_scope('mmdet'):
        pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
        for seed in range(8):
            np.random.seed(seed)
            packed = pipeline(
                dict(
                    img_path=str(picture),
                    img_id=0,
                    height=60,
                    width=80,
                    instances=[instance],
                )
            )
            if packed is None:
                continue  # a crop without the object
            height, width = packed['inputs'].shape[1:]
            assert max(height, width) <= 1024
            if file == DETECTOR1:
                assert (height, width) == (1024, 1024)
            found = packed['data_samples'].gt_instances
            for box, mask in zip(
                found.bboxes.tensor, found.masks.to_ndarray(), strict=True
            ):
                rows, columns = mask.nonzero()
                expected = (
                    columns.min(),
                    rows.min(),
                    columns.max() + 1,
                    rows.max() + 1,
                )
                assert np.abs(box.numpy() - expected).max() <= 1.5
                seen.add(tuple(mask.shape))
    assert seen
