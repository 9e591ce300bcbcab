"""Maps lie where the picture is, at every size and in every mode."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convmae_mm import ConvMAE
from convmae_mm.models.necks import SimpleFPN
from convmae_mm.variants import STRIDES, mode_zoo

ARCH = dict(embed_dims=(4, 8, 8), depths=(1, 1, 2), num_heads=2)
QUICK = [(64, 64), (64, 85), (85, 500), (1, 1), (17, 683)]
SWEEP = [(64, side) if side % 2 else (side, 64) for side in range(64, 801, 7)]


def build(mode: str, **settings) -> ConvMAE:
    torch.manual_seed(0)
    windows = {'window_block_indexes': (0,)}
    has_windows = mode_zoo[mode].window_block_indexes
    return ConvMAE(
        ARCH,
        mode,
        img_size=64,
        **{'out_indices': range(mode_zoo[mode].num_maps), **settings},
        **(windows if has_windows else {}),
    ).eval()


def pad_by_hand(images: Tensor, divisor: int) -> Tensor:
    bottom, right = (-side % divisor for side in images.shape[2:])
    return F.pad(images, (0, right, 0, bottom))


def check_size(backbone: ConvMAE, size: tuple[int, int]) -> None:
    """Sizes are those of the family, and cell k of a map is cell k of the
    picture padded by hand, whose size is a multiple of all strides.
    """
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        maps = backbone(images)
        by_hand = backbone(pad_by_hand(images, 16))
    for index, (features, padded) in enumerate(
        zip(maps, by_hand, strict=True)
    ):
        rows, columns = (math.ceil(side / STRIDES[index]) for side in size)
        if (backbone.mode, index) == ('seg', 3):
            rows, columns = e4_of_released_segmentor(size)
        assert features.shape[2:] == (rows, columns)
        assert torch.equal(features, padded[:, :, :rows, :columns])
        features.view(-1)  # as heads of mmseg do


def e4_of_released_segmentor(size: tuple[int, int]) -> tuple[int, ...]:
    """A 3 x 3 convolution of stride 2 that does not pad E3."""
    return tuple(max(1, (math.ceil(side / 16) - 1) // 2) for side in size)


@pytest.mark.parametrize('mode', mode_zoo)
@pytest.mark.parametrize('size', QUICK)
def test_maps_are_cropped_to_the_picture(
    mode: str, size: tuple[int, int]
) -> None:
    check_size(build(mode), size)


@pytest.mark.slow
@pytest.mark.parametrize('mode', mode_zoo)
def test_maps_are_cropped_to_the_picture_at_all_sizes(mode: str) -> None:
    backbone = build(mode)
    for size in SWEEP:
        check_size(backbone, size)


def find_edge(features: Tensor, blank: Tensor) -> float:
    """The first column of cells that an edge changes."""
    change = (features - blank).abs().amax((0, 1, 2))
    return float((change > 1e-6 * change.max()).nonzero()[0, 0])


def check_edges(backbone: ConvMAE, width: int, edges: range) -> None:
    """The cell of E1 that holds an edge has its middle half a cell off."""
    margin = 2  # cells that the one depthwise convolution reaches
    images = torch.zeros(1 + len(edges), 3, 64, width)  # a blank one first
    for image, x in zip(images[1:], edges, strict=True):
        image[..., x:] = 1
    with torch.no_grad():
        blank, *marked = backbone(images)[0].split(1)
    for features, x in zip(marked, edges, strict=True):
        middle = (find_edge(features, blank) + margin + 0.5) * 4
        assert abs(middle - x) <= 2


@pytest.mark.parametrize('mode', mode_zoo)
@pytest.mark.parametrize('width', [85, 333, 500, 683])
def test_an_edge_is_found_where_it_is(mode: str, width: int) -> None:
    check_edges(build(mode, out_indices=(0,)), width, range(16, width, 37))


@pytest.mark.slow
@pytest.mark.parametrize('mode', mode_zoo)
def test_an_edge_is_found_where_it_is_at_all_sizes(mode: str) -> None:
    backbone = build(mode, out_indices=(0,))
    for width in range(64, 801, 7):
        check_edges(backbone, width, range(16, width, width // 3))


@pytest.mark.parametrize('size', [(48, 48), (49, 85), (64, 100)])
def test_levels_of_the_simple_pyramid_too(size: tuple[int, int]) -> None:
    """Where the backbone hands E1 and E2 over, levels have their sizes."""
    backbone = build('vitdet', out_indices=(0, 1, 2))
    neck = SimpleFPN(8, out_channels=4)
    levels = neck(backbone(torch.randn(1, 3, *size)))
    for level, stride in zip(levels, (4, 8, 16, 32, 64), strict=True):
        assert level.shape[2:] == tuple(math.ceil(s / stride) for s in size)


@pytest.mark.parametrize(('side', 'cells'), [(224, 6), (256, 7), (512, 15)])
def test_e4_of_the_released_segmentor_is_as_released(
    side: int, cells: int
) -> None:
    backbone = build('seg')
    with torch.no_grad():
        e3, e4 = backbone(torch.randn(1, 3, side, side))[2:]
        assert torch.allclose(e4, backbone.downsample(e3), atol=1e-6)
    assert e4.shape[2:] == (cells, cells)


def test_whole_pictures_are_not_stretched() -> None:
    """mmseg resizes logits to the padded picture and cuts the padding off.

    Without ``size_divisor`` it stretches a map of 22 cells to 85 pixels.
    """
    from mmengine.config import ConfigDict
    from mmseg.models import build_segmentor
    from mmseg.structures import SegDataSample
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    model = build_segmentor(
        dict(
            type='mmseg.EncoderDecoder',
            data_preprocessor=dict(
                type='mmseg.SegDataPreProcessor',
                test_cfg=dict(size_divisor=32),
            ),
            backbone=dict(type='convmae_mm.ConvMAE', arch=ARCH, img_size=64),
            decode_head=dict(
                type='mmseg.FCNHead',
                in_channels=4,
                in_index=0,
                channels=4,
                num_convs=1,
                num_classes=3,
                norm_cfg=dict(type='BN'),
                loss_decode=dict(type='mmseg.CrossEntropyLoss'),
            ),
            test_cfg=ConfigDict(mode='whole'),
        )
    ).eval()
    image = torch.randn(3, 70, 85)
    sample = SegDataSample(
        metainfo=dict(img_shape=(70, 85), ori_shape=(70, 85))
    )
    with torch.no_grad():
        batch = {'inputs': [image], 'data_samples': [sample]}
        result = model.test_step(batch)
        padded = pad_by_hand(image[None], 32)
        logits = model.decode_head(model.backbone(padded))
    expected = F.interpolate(logits, scale_factor=4, mode='bilinear')
    actual = result[0].seg_logits.data
    assert torch.allclose(actual, expected[0, :, :70, :85], atol=1e-5)
