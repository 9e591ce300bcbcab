"""A ConvMAE in configs that were written for other backbones."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from convmae_mm.apis import use_backbone
from convmae_mm.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis'))

import compatibility  # noqa: E402

TINY = (32, 64, 128, 128)


@pytest.fixture(scope='module', autouse=True)
def libraries() -> None:
    compatibility.prepare('mmdet')
    compatibility.prepare('mmseg')
    compatibility.prepare('mmpretrain')


def shipped(library: str, family: str) -> Config:
    config = Config.fromfile(compatibility.families(library)[family])
    config.default_scope = library
    return config


def test_a_detector_gets_channels_divisor_and_normalisation() -> None:
    config = shipped('mmdet', 'retinanet')
    before = copy.deepcopy(config._cfg_dict)
    changed = use_backbone(
        config, 'tiny', window_block_indexes=(0,), checkpoint='encoder.pth'
    )
    assert config._cfg_dict == before
    backbone = changed.model.backbone
    assert backbone.type == 'convmae_mm.ConvMAE'
    assert backbone.mode == 'detection'
    assert backbone.init_cfg.checkpoint == 'encoder.pth'
    assert 'depth' not in backbone
    assert tuple(changed.model.neck.in_channels) == TINY
    assert changed.model.data_preprocessor.pad_size_divisor == 32
    assert changed.model.data_preprocessor.bgr_to_rgb is True


def test_a_simple_pyramid_replaces_an_fpn() -> None:
    changed = use_backbone(
        shipped('mmdet', 'mask_rcnn'),
        'tiny',
        'vitdet',
        window_block_indexes=(0,),
    )
    assert changed.model.neck.type == 'convmae_mm.SimpleFPN'
    assert changed.model.neck.in_channels == 128
    assert changed.model.backbone.out_indices == (2,)
    with pytest.raises(ConfigError, match='ChannelMapper'):
        use_backbone(shipped('mmdet', 'detr'), 'tiny', 'vitdet')


def test_a_segmentor_with_dilations_and_two_heads() -> None:
    changed = use_backbone(shipped('mmseg', 'pspnet'), 'tiny')
    model = changed.model
    assert model.backbone.out_indices == (0, 1, 2, 3)
    assert (model.decode_head.in_channels, model.decode_head.in_index) == (
        128,
        3,
    )
    assert model.auxiliary_head.in_channels == 128  # of E3
    assert model.get('pretrained') is None
    assert model.data_preprocessor.test_cfg.size_divisor == 32


def test_a_classifier_of_tokens_gets_a_pooling_neck() -> None:
    changed = use_backbone(shipped('mmpretrain', 'deit'), 'tiny')
    assert changed.model.neck.type == 'mmpretrain.GlobalAveragePooling'
    assert changed.model.head.in_channels == 128
    assert changed.model.backbone.out_indices == (2,)


def test_a_neck_that_hands_maps_on_tells_the_head_of_their_channels() -> None:
    model = use_backbone(
        shipped('mmdet', 'ssd'), 'tiny', window_block_indexes=(0,)
    ).model
    assert tuple(model.neck.in_channels) == TINY[1:3]
    assert model.neck.out_channels == (*TINY[1:3], 512, 256, 256, 256)
    assert model.bbox_head.in_channels == model.neck.out_channels


def test_an_old_backbone_with_eps_0_is_measured() -> None:
    """torch's batch norm has refused it for a while."""
    config = shipped('mmdet', 'nas_fcos')
    assert config.model.backbone.norm_cfg.eps == 0
    changed = use_backbone(config, 'tiny', window_block_indexes=(0,))
    assert tuple(changed.model.neck.in_channels) == TINY


def test_backbones_that_it_cannot_stand_for() -> None:
    with pytest.raises(ConfigError, match=r'strides \(2, 4, 8\)'):
        use_backbone(shipped('mmseg', 'cgnet'), 'tiny')
    # its vectors are scores already, and the head has no weights
    with pytest.raises(ConfigError, match='nothing in the model reads'):
        use_backbone(shipped('mmpretrain', 'vgg'), 'tiny')


@pytest.mark.parametrize(
    'family',
    'beit beitv2 cae itpn mae maskfeat mff milan mixmim simmim spark'.split(),
)
def test_algorithms_that_mask_are_refused_in_words(family: str) -> None:
    with pytest.raises(ConfigError, match='hands its mask .*ConvMAEPretrain'):
        use_backbone(shipped('mmpretrain', family), 'tiny')


def test_the_page_is_read_as_it_was_written() -> None:
    """So that rows can be renewed one by one."""
    text = compatibility.PAGE.read_text()
    assert compatibility.page(compatibility.read_page(text)) == text


def test_a_config_without_a_backbone_is_refused() -> None:
    with pytest.raises(ConfigError, match='no backbone'):
        use_backbone(Config(dict(model=dict(type='X'))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('library', 'family'),
    [
        *(('mmdet', 'retinanet'), ('mmseg', 'pspnet')),
        *(('mmpretrain', 'convnext'), ('mmpretrain', 'deit')),
        # without labels: two views, a target that follows, an online one
        *(('mmpretrain', 'simclr'), ('mmpretrain', 'byol')),
        *(('mmpretrain', 'mocov3'), ('mmpretrain', 'densecl')),
    ],
)
def test_a_step_and_a_prediction_also_through_the_branch_of_a_gpu(
    library: str, family: str
) -> None:
    torch.manual_seed(0)
    path = compatibility.families(library)[family]
    results = compatibility.examine(library, path)
    assert results == dict.fromkeys(compatibility.STEPS, 'yes')
