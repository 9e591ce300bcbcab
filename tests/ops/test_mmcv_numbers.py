"""Numbers that mmcv's own tests expect of its compiled ops.

Those of the focal losses are in ``test_mmcv_family``. mmcv's tests of CARAFE,
masked convolution, point-wise attention and batched suppression read binary
files that it does not ship: formulas stand for them there.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import _convmae_mm_mmcv

_convmae_mm_mmcv.install()
mmcv_ops = pytest.importorskip('mmcv.ops')
mmcv_ext = pytest.importorskip('mmcv._ext')

pytestmark = pytest.mark.skipif(
    type(mmcv_ext.__spec__.loader) is not _convmae_mm_mmcv.SubstituteLoader,
    reason='mmcv has compiled ops here; they are not ours to test',
)

BOXES = torch.tensor(
    [[6.0, 3, 8, 7], [3, 6, 9, 11], [3, 7, 10, 12], [1, 4, 13, 7]]
)
SCORES = torch.tensor([0.6, 0.9, 0.7, 0.2])
SMALL = [[[1.0, 2], [3, 4]]]
TWO_CHANNELS = [*SMALL, [[4.0, 3], [2, 1]]]
LARGE = [[[1.0, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]]
CORNER = [[3.0625, 0.4375], [0.4375, 0.0625]]
OUTER = [1.1, 1.0, 1.0, 0.1]  # the gradient of LARGE is a product of it


def close(actual: Tensor, expected: object, tolerance: float) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(
        actual.detach().double(), wanted, atol=tolerance, rtol=0
    )


def test_nms() -> None:
    dets, kept = mmcv_ops.nms(BOXES, SCORES, iou_threshold=0.3, offset=0)
    assert kept.tolist() == [1, 0, 3]
    assert torch.equal(dets[:, :4], BOXES[kept])
    assert torch.equal(dets[:, 4], SCORES[kept])


@pytest.mark.parametrize(
    ('method', 'order', 'scores'),
    [
        ('linear', [1, 0, 2, 3], [0.9, 0.6, 0.29024392, 0.2]),
        (
            'gaussian',
            [1, 0, 2, 3],
            [0.9, 0.59630775, 0.3527551, 0.18650459],
        ),
        ('naive', [1, 0, 3], [0.9, 0.6, 0.2]),
    ],
)
def test_soft_nms(method: str, order: list, scores: list) -> None:
    dets, kept = mmcv_ops.soft_nms(BOXES, SCORES, 0.3, 0.5, 0.01, method)
    assert kept.tolist() == order
    assert torch.equal(dets[:, :4], BOXES[kept])
    close(dets[:, 4], scores, 1e-6)


def test_nms_match() -> None:
    assert len(mmcv_ops.nms_match(np.array([]), 0.6)) == 0
    dets = np.float32(
        [
            [49.1, 32.4, 51.0, 35.9, 0.9],
            [49.3, 32.9, 51.0, 35.3, 0.9],
            [35.3, 11.5, 39.9, 14.5, 0.4],
            [35.2, 11.7, 39.7, 15.7, 0.3],
        ]
    )
    groups = mmcv_ops.nms_match(dets, 0.6)
    assert len(groups) == 2
    boxes = torch.from_numpy(dets)
    kept = mmcv_ops.nms(boxes[:, :4], boxes[:, 4], 0.6)[1]
    assert {int(group[0]) for group in groups} == set(kept.tolist())
    for ours, same in zip(mmcv_ops.nms_match(boxes, 0.6), groups, strict=True):
        assert ours.tolist() == same.tolist()
    with pytest.raises(AssertionError):
        mmcv_ops.nms_match(np.zeros((2, 3)), 0.6)


@pytest.mark.parametrize('kind', ['nms', 'soft_nms'])
def test_batched_suppression_is_the_same_in_parts(kind: str) -> None:
    torch.manual_seed(0)
    corners = torch.rand(200, 2) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(200, 2) * 30], 1)
    scores, classes = torch.rand(200), torch.arange(200) % 5
    config = dict(type=kind, iou_threshold=0.7)
    whole = mmcv_ops.batched_nms(boxes, scores, classes, config)
    config['split_thr'] = 100
    parts = mmcv_ops.batched_nms(boxes, scores, classes, config)
    for a, b in zip(whole, parts, strict=True):
        assert torch.equal(a, b)
    dets, kept = mmcv_ops.batched_nms(boxes, scores, classes, None)
    assert len(kept) == 200
    assert dets[:, -1].diff().lt(0).all()


@pytest.mark.parametrize(
    ('image', 'pooled', 'gradient'),
    [
        (SMALL, [[[1, 1.25], [1.5, 1.75]]], [CORNER]),
        (
            TWO_CHANNELS,
            [[[1, 1.25], [1.5, 1.75]], [[4, 3.75], [3.5, 3.25]]],
            [CORNER, CORNER],
        ),
        (
            LARGE,
            [[[1.9375, 4.75], [7.5625, 10.375]]],
            [[[a * b * 0.390625 for b in OUTER] for a in OUTER]],
        ),
    ],
)
@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.float64, torch.float16]
)
def test_roi_align(
    image: list, pooled: list, gradient: list, dtype: torch.dtype
) -> None:
    x = torch.tensor([image], dtype=dtype, requires_grad=True)
    side = float(len(image[0]) - 1)
    rois = torch.tensor([[0, 0, 0, side, side]], dtype=dtype)
    out = mmcv_ops.roi_align(x, rois, (2, 2), 1.0, 2, 'avg', True)
    out.sum().backward()
    close(out, [pooled], 1e-3)
    assert x.grad is not None
    close(x.grad, [gradient], 1e-3)


@pytest.mark.parametrize(
    ('image', 'pooled', 'gradient'),
    [
        (SMALL, SMALL, [[[1.0, 1], [1, 1]]]),
        (TWO_CHANNELS, TWO_CHANNELS, [[[1.0, 1], [1, 1]]] * 2),
        (
            LARGE,
            [[[4.0, 8], [12, 16]]],
            [[[0.0] * 4, [0, 1.0, 0, 1]] * 2],
        ),
    ],
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_roi_pool(
    image: list, pooled: list, gradient: list, dtype: torch.dtype
) -> None:
    x = torch.tensor([image], dtype=dtype, requires_grad=True)
    side = float(len(image[0]) - 1)
    rois = torch.tensor([[0, 0, 0, side, side]], dtype=dtype)
    out = mmcv_ops.roi_pool(x, rois, (2, 2), 1.0)
    out.sum().backward()
    close(out, [pooled], 0)
    assert x.grad is not None
    close(x.grad.reshape(-1), np.ravel(gradient), 0)


@pytest.mark.parametrize('batch', [1, 10])
def test_deformable_convolution(batch: int) -> None:
    layer = mmcv_ops.DeformConv2dPack(1, 1, 2, im2col_step=2).double()
    offsets = [
        [0.1, 0.4, 0.6, 0.1], [0.3, 0.2, 0.1, 0.3], [0.5, 0.5, 0.2, 0.8],
        [0.8, 0.3, 0.9, 0.1], [0.3, 0.1, 0.2, 0.5], [0.3, 0.7, 0.5, 0.3],
        [0.6, 0.2, 0.5, 0.3], [0.4, 0.1, 0.8, 0.4],
    ]  # fmt: skip
    bias = [0.7, 0.1, 0.8, 0.5, 0.6, 0.5, 0.4, 0.7]
    convolution = layer.conv_offset
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor(offsets).view(8, 1, 2, 2))
        convolution.bias.copy_(torch.tensor(bias))
        layer.weight.copy_(torch.tensor([0.4, 0.2, 0.1, 0.9]).view(1, 1, 2, 2))
    image = torch.tensor([[[1.0, 2, 3], [0, 1, 2], [3, 5, 2]]]).double()
    x = image.repeat(batch, 1, 1, 1).requires_grad_()
    out = layer(x)
    out.sum().backward()
    close(out, [[[[1.65, 0], [0, 0]]]] * batch, 1e-3)
    slopes = [[-0.666, 0.204, 0], [0.03, -0.416, 0.012], [0, 0.252, 0.129]]
    assert x.grad is not None
    close(x.grad, [[slopes]] * batch, 1e-3)
    of_weights = [
        [1.44, 2.88, 0, 1.44], [-0.72, -1.44, 0, -0.72], [0] * 4, [0] * 4,
        [-0.1, -0.2, 0, -0.1], [-0.08, -0.16, 0, -0.08],
        [-0.54, -1.08, 0, -0.54], [-0.54, -1.08, 0, -0.54],
    ]  # fmt: skip
    close(convolution.weight.grad.view(8, 4) / batch, of_weights, 1e-3)
    of_bias = [1.44, -0.72, 0, 0, -0.1, -0.08, -0.54, -0.54]
    close(convolution.bias.grad / batch, of_bias, 1e-3)
    close(layer.weight.grad.flatten() / batch, [3.62, 0, 0.4, 0.18], 1e-3)


def test_settings_of_deformable_convolution() -> None:
    assert not hasattr(mmcv_ops.DeformConv2d(1, 1, 2), 'bias')
    for channels, settings in (
        ((1, 1, 2), dict(bias=True)),
        ((3, 2, 3), dict(groups=2)),
        ((3, 4, 3), dict(groups=3)),
    ):
        with pytest.raises(AssertionError):
            mmcv_ops.DeformConv2d(*channels, **settings)
    layer = mmcv_ops.DeformConv2dPack(1, 1, 2, im2col_step=3)
    with pytest.raises(AssertionError, match='divisible by im2col_step'):
        layer(torch.zeros(10, 1, 3, 3))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_modulated_deformable_convolution(dtype: torch.dtype) -> None:
    """Offsets start with zeros, masks with a half."""
    layer = mmcv_ops.ModulatedDeformConv2dPack(
        1, 1, (2, 2), padding=1, bias=False
    ).to(dtype)
    torch.nn.init.ones_(layer.weight)
    x = torch.tensor([[[[1.0, 2, 3]] * 3]], dtype=dtype, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    outer, inner = [0.5, 1.5, 2.5, 1.5], [1.0, 3, 5, 3]
    close(out, [[[outer, inner, inner, outer]]], 1e-5)
    assert x.grad is not None
    close(x.grad, torch.full((1, 1, 3, 3), 2.0), 1e-5)
    close(layer.weight.grad, torch.full((1, 1, 2, 2), 9.0), 1e-5)
    of_offsets = [
        [-7, -4, 0, 0], [-9, 7.5, -6, 5], [-4, -7, 0, 0],
        [-7.5, -9, -5, -6], [-7, -4, -7, -4], [-6, 5, -9, 7.5],
        [-4, -7, -4, -7], [-5, -6, -7.5, -9],
        # and of the masks
        [10.5, 6, 7, 4], [6, 10.5, 4, 7], [7, 4, 10.5, 6], [4, 7, 6, 10.5],
    ]  # fmt: skip
    convolution = layer.conv_offset
    close(convolution.weight.grad.view(12, 4), of_offsets, 1e-5)
    of_bias = [-3, -1.5] * 4 + [4.5] * 4
    close(convolution.bias.grad, of_bias, 1e-5)
