"""Substitutes for what mmdet, mmseg and mmpretrain take on GPUs.

The entry points of mmcv are called on CPU tensors: they ask for compiled ops
whatever the device, where the libraries avoid them on CPUs. Numbers without a
formula are those of mmcv's own tests.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import _convmae_mm_mmcv
from convmae_mm.ops.mmcv_ops import OPS

_convmae_mm_mmcv.install()
mmcv_ops = pytest.importorskip('mmcv.ops')
mmcv_ext = pytest.importorskip('mmcv._ext')

pytestmark = pytest.mark.skipif(
    type(mmcv_ext.__spec__.loader) is not _convmae_mm_mmcv.SubstituteLoader,
    reason='mmcv has compiled ops here; they are not ours to test',
)

FOCAL_CASES = [
    # logits, targets, softmax loss and gradient, sigmoid loss and gradient
    (
        [[1.0, 0], [0, 1.0]],
        [0, 1],
        0.00566451,
        [[-0.00657264, 0.00657264], [0.00657264, -0.00657264]],
        0.13562961,
        [[-0.00657264, 0.11185755], [0.11185755, -0.00657264]],
    ),
    (
        [[1.0, 0, -1.0], [0, 1.0, 2.0]],
        [2, 1],
        0.34956908,
        [
            [0.10165970, 0.03739851, -0.13905823],
            [0.01227554, -0.10298023, 0.09070466],
        ],
        1.10251057,
        [
            [0.28808805, 0.11185755, -0.09602935],
            [0.11185755, -0.00657264, 0.40376765],
        ],
    ),
    (
        [[1e-6, 2e-6, 3e-6], [4e-6, 5e-5, 6e-4], [7e-3, 8e-2, 9e-1]],
        [1, 2, 0],
        0.15754992,
        [
            [0.02590877, -0.05181759, 0.02590882],
            [0.02589641, 0.02589760, -0.05179400],
            [-0.07307514, 0.02234372, 0.05073142],
        ],
        0.42287254,
        [
            [0.07457182, -0.02485716, 0.07457201],
            [0.07457211, 0.07457669, -0.02483728],
            [-0.02462499, 0.08277918, 0.18050370],
        ],
    ),
]


@pytest.mark.parametrize('case', FOCAL_CASES)
def test_focal_losses_of_mmcvs_tests(case: tuple) -> None:
    logits, targets, *expected = case
    for loss, number, gradient in (
        (mmcv_ops.softmax_focal_loss, *expected[:2]),
        (mmcv_ops.sigmoid_focal_loss, *expected[2:]),
    ):
        x = torch.tensor(logits, requires_grad=True)
        result = loss(x, torch.tensor(targets), 2.0, 0.25, None, 'mean')
        result.backward()
        assert result.item() == pytest.approx(number, abs=1e-4)
        torch.testing.assert_close(
            x.grad, torch.tensor(gradient), atol=1e-4, rtol=0
        )


def test_sigmoid_focal_loss_is_its_formula() -> None:
    """With class weights, and a background class that has no column."""
    torch.manual_seed(0)
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 3, 4, 1, 4, 2])
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    p = x.sigmoid()
    right = F.one_hot(target, 5)[:, :4].bool()
    loss = torch.where(
        right,
        -0.3 * (1 - p) ** 1.5 * p.log(),
        -0.7 * p**1.5 * (1 - p).log(),
    )
    loss = loss * torch.tensor([1, 4, 1, 2, 1, 3])[:, None]
    ours = mmcv_ops.sigmoid_focal_loss(x, target, 1.5, 0.3, weight, 'sum')
    assert torch.allclose(ours, loss.sum())
    (expected,) = torch.autograd.grad(loss.sum(), x)
    (actual,) = torch.autograd.grad(ours, x)
    assert torch.allclose(actual, expected)


def test_the_branch_of_a_gpu_in_mmdets_focal_loss() -> None:
    from mmdet.models.losses.focal_loss import (
        py_sigmoid_focal_loss,
        sigmoid_focal_loss,
    )

    torch.manual_seed(0)
    x, target = torch.randn(8, 3), torch.randint(0, 4, (8,))
    on_gpu = sigmoid_focal_loss(x, target)
    on_cpu = py_sigmoid_focal_loss(x, F.one_hot(target, 4)[:, :3])
    assert torch.allclose(on_gpu, on_cpu, atol=1e-6)


def attention_inputs(double: bool = True) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = torch.tensor([[4, 6], [2, 3]])
    starts = torch.tensor([0, 24])
    value = torch.rand(2, 30, 2, 3)
    places = torch.rand(2, 5, 2, 2, 4, 2) * 1.2 - 0.1
    shares = torch.rand(2, 5, 2, 2, 4)
    floats = [x.double() if double else x for x in (value, places, shares)]
    return [floats[0], shapes, starts, *floats[1:]]


def test_deformable_attention_of_a_gpu() -> None:
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )

    value, shapes, starts, places, shares = attention_inputs()
    leaves = [x.requires_grad_() for x in (value, places, shares)]
    ours = MultiScaleDeformableAttnFunction.apply(
        value, shapes, starts, places, shares, 64
    )
    theirs = multi_scale_deformable_attn_pytorch(value, shapes, places, shares)
    assert torch.allclose(ours, theirs)
    direction = torch.randn_like(ours)
    for actual, expected in zip(
        torch.autograd.grad(ours, leaves, direction),
        torch.autograd.grad(theirs, leaves, direction),
        strict=True,
    ):
        assert torch.allclose(actual, expected)


@pytest.mark.parametrize('groups', [1, 2])
def test_deformable_convolution_without_offsets_is_a_convolution(
    groups: int,
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 9, 8)
    weight = torch.randn(6, 4 // groups, 3, 3)
    geometry = (2, 1, 1, groups)
    expected = F.conv2d(x, weight, None, *geometry)
    offset = torch.zeros(2, 2 * 2 * 9, *expected.shape[2:])
    ours = mmcv_ops.deform_conv2d(x, offset, weight, *geometry, 2)
    assert torch.allclose(ours, expected, atol=1e-5)
    mask, bias = torch.full_like(offset[:, ::2], 0.5), torch.randn(6)
    ours = mmcv_ops.modulated_deform_conv2d(
        x, offset, mask, weight, bias, *geometry, 2
    )
    expected = 0.5 * expected + bias[:, None, None]
    assert torch.allclose(ours, expected, atol=1e-5)


def test_an_offset_of_a_row_looks_one_row_further() -> None:
    x = torch.arange(12.0).view(1, 1, 4, 3)
    offset = torch.zeros(1, 2, 4, 3)
    offset[:, 0] = 1  # rows before columns
    ours = mmcv_ops.deform_conv2d(x, offset, torch.ones(1, 1, 1, 1))
    assert torch.equal(ours[0, 0, :3], x[0, 0, 1:])


@pytest.mark.parametrize('modulated', [False, True])
def test_gradients_of_deformable_convolutions(modulated: bool) -> None:
    torch.manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    x, offset, weight = draw(1, 2, 4, 4), draw(1, 18, 4, 4), draw(2, 2, 3, 3)
    if modulated:
        mask, bias = draw(1, 9, 4, 4), draw(2)
        function = mmcv_ops.modulated_deform_conv2d
        inputs = (x, offset, mask, weight, bias, 1, 1)
    else:
        function = mmcv_ops.deform_conv2d
        inputs = (x, offset, weight, 1, 1)
    assert torch.autograd.gradcheck(function, inputs, atol=1e-4)


def test_offsets_of_a_larger_map_are_read_as_mmcvs_kernels_do() -> None:
    """As in mmdet's DyHead; smaller ones are no offsets at all."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 1, 4, 4), torch.ones(1, 1, 1, 1)
    offset, mask = torch.randn(1, 2, 8, 8), torch.rand(1, 1, 8, 8)
    ours = mmcv_ops.modulated_deform_conv2d(x, offset, mask, weight)
    first = (offset.flatten()[:32].view(1, 2, 4, 4), mask.flatten()[:16])
    expected = mmcv_ops.modulated_deform_conv2d(
        x, first[0], first[1].view(1, 1, 4, 4), weight
    )
    assert torch.equal(ours, expected)
    with pytest.raises(ValueError, match='2 x 2 outputs, but there are 4 x 4'):
        mmcv_ops.deform_conv2d(x, offset[..., :2, :2], weight)


def reference_soft_nms(
    boxes: np.ndarray, scores: np.ndarray, method: str, offset: int
) -> list[tuple[int, float]]:
    """As written in the paper."""
    scores, left, kept = scores.copy(), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        kept.append((best, float(scores[best])))
        for i in list(left):
            a, b = boxes[best], boxes[i]
            w = min(a[2], b[2]) - max(a[0], b[0]) + offset
            h = min(a[3], b[3]) - max(a[1], b[1]) + offset
            inter = max(0, w) * max(0, h)
            area = [
                (c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)
            ]
            iou = inter / max(sum(area) - inter, 1e-9)
            if method == 'gaussian':
                scores[i] *= np.exp(-(iou**2) / 0.5)
            elif iou >= 0.3:
                scores[i] *= 0 if method == 'naive' else 1 - iou
            if scores[i] < 0.01:
                left.remove(i)
    return kept


def random_boxes(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    corner = torch.rand(count, 2) * 20
    boxes = torch.cat([corner, corner + 5 + torch.rand(count, 2) * 20], 1)
    return boxes, torch.rand(count)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(method: str, offset: int) -> None:
    boxes, scores = random_boxes(40)
    dets, kept = mmcv_ops.soft_nms(
        boxes, scores, 0.3, 0.5, 0.01, method, offset
    )
    expected = reference_soft_nms(
        boxes.double().numpy(), scores.double().numpy(), method, offset
    )
    assert kept.tolist() == [index for index, _ in expected]
    assert torch.equal(dets[:, :4], boxes[kept])
    wanted = torch.tensor([score for _, score in expected])
    assert torch.allclose(dets[:, 4], wanted, atol=1e-5)
    if method != 'naive':
        assert not torch.equal(dets[:, 4], scores[kept])


def test_nms_match_groups_what_is_suppressed() -> None:
    boxes, scores = random_boxes(40)
    groups = mmcv_ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.4)
    _, kept = mmcv_ops.nms(boxes, scores, 0.4)
    assert [int(group[0]) for group in groups] == kept.tolist()
    assert sorted(torch.cat(groups).tolist()) == list(range(40))
    for group in groups:
        assert scores[group].diff().le(0).all()


def test_roi_pool_takes_the_largest_of_each_bin() -> None:
    x = torch.arange(64.0).view(1, 1, 8, 8).requires_grad_()
    rois = torch.tensor([[0.0, 0, 0, 7, 7], [0, 4, 4, 7, 7]])
    out = mmcv_ops.roi_pool(x, rois, (2, 2), 1.0)
    expected = [[[27.0, 31], [59, 63]], [[45, 47], [61, 63]]]
    assert out[:, 0].tolist() == expected
    out.sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0, 7, 7] == 2
    assert x.grad.sum() == 8


def test_carafe_is_its_formula() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    masks = torch.randn(1, 2 * 9, 6, 10, dtype=torch.float64)
    masks.requires_grad_()
    out = mmcv_ops.carafe(x, masks, 3, 2, 2)
    padded = F.pad(x, (1, 1, 1, 1))
    for channel, row, column in ((0, 0, 0), (1, 5, 9), (2, 3, 4), (3, 2, 7)):
        top, left, group = row // 2, column // 2, channel // 2
        window = padded[0, channel, top : top + 3, left : left + 3].flatten()
        kernel = masks[0, 9 * group : 9 * group + 9, row, column]
        assert torch.allclose(out[0, channel, row, column], window @ kernel)

    assert torch.autograd.gradcheck(
        lambda x, masks: mmcv_ops.carafe(x, masks, 3, 2, 2), (x, masks)
    )


def test_masked_convolution_computes_where_the_mask_is() -> None:
    torch.manual_seed(0)
    layer = mmcv_ops.MaskedConv2d(2, 3, 3, padding=1)
    x, mask = torch.randn(1, 2, 5, 6), torch.rand(1, 5, 6) > 0.6
    expected = F.conv2d(x, layer.weight, layer.bias, padding=1) * mask
    assert torch.allclose(layer(x, mask.float()), expected, atol=1e-6)


@pytest.mark.parametrize('kind', ['collect', 'distribute'])
def test_masks_of_point_wise_attention(kind: str) -> None:
    torch.manual_seed(0)
    height, width, side = 3, 4, 3
    masks = torch.randn(2, side * side, height, width, dtype=torch.float64)
    layer = mmcv_ops.PSAMask(kind, (side, side))
    expected = masks.new_zeros(2, height * width, height, width)
    for h, w, i, j in np.ndindex(height, width, side, side):
        y, x = h + i - 1, w + j - 1
        if 0 <= y < height and 0 <= x < width:
            value = masks[:, i * side + j, h, w]
            if kind == 'collect':
                expected[:, y * width + x, h, w] = value
            else:
                expected[:, h * width + w, y, x] = value
    assert torch.equal(layer(masks), expected)
    assert torch.autograd.gradcheck(layer, masks.requires_grad_())


# Refused by name: what no config reaches in the modules that are used, and the
# lanes of CLRNet.
REFUSED = {
    *('nms_rotated', 'nms_quadri', 'carafe_naive_forward'),
    *('carafe_naive_backward', 'line_nms_forward'),
}


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_nothing_that_the_libraries_import_is_missing(library: str) -> None:
    """By reading their sources, and mmcv's for the ops behind a name."""
    spec = importlib.util.find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    names: set[str] = set()
    for path in Path(spec.origin).parent.rglob('*.py'):
        text = path.read_text(errors='replace')
        for imported in re.findall(
            r'from mmcv\.ops(?:\.\w+)? import \(?([\w\s,]+)', text
        ):
            names.update(re.findall(r'\w+', imported))
    needed: set[str] = set()
    for name in names:
        module = getattr(getattr(mmcv_ops, name, None), '__module__', '')
        if module.startswith('mmcv.ops'):
            source = inspect.getsource(importlib.import_module(module))
            lists = re.findall(r'load_ext\(\s*\S+,\s*\[(.*?)\]', source, re.S)
            needed.update(re.findall(r"'(\w+)'", ' '.join(lists)))
    assert needed
    assert needed - REFUSED <= set(OPS)
