"""The substitute for mmcv's compiled ops, against references in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import _convmae_mm_mmcv
from convmae_mm.ops.mmcv_ops import get_op

_convmae_mm_mmcv.install()
mmcv_ops = pytest.importorskip('mmcv.ops')
mmcv_ext = pytest.importorskip('mmcv._ext')

DEVICES = ['cpu']
if torch.cuda.is_available():
    DEVICES.append('cuda')

pytestmark = pytest.mark.skipif(
    type(mmcv_ext.__spec__.loader) is not _convmae_mm_mmcv.SubstituteLoader,
    reason='mmcv has compiled ops here; they are not ours to test',
)


def random_boxes(count: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 40, (count, 2))
    size = rng.integers(0, 25, (count, 2))
    boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
    # Distinct scores: the order of equal ones is nobody's promise.
    scores = rng.permutation(count).astype(np.float32) / count
    return torch.from_numpy(boxes), torch.from_numpy(scores)


def reference_nms(
    boxes: torch.Tensor, scores: torch.Tensor, threshold: float, offset: int
) -> list[int]:
    b = boxes.numpy()
    width = b[:, 2] - b[:, 0] + offset
    height = b[:, 3] - b[:, 1] + offset
    area = width * height
    kept: list[int] = []
    for i in np.argsort(-scores.numpy()):
        drop = False
        for j in kept:
            w = min(b[i, 2], b[j, 2]) - max(b[i, 0], b[j, 0]) + offset
            h = min(b[i, 3], b[j, 3]) - max(b[i, 1], b[j, 1]) + offset
            inter = max(np.float32(0), w) * max(np.float32(0), h)
            union = area[i] + area[j] - inter
            drop |= bool(inter > 0 and inter / union > np.float32(threshold))
        if not drop:
            kept.append(int(i))
    return kept


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.1, 0.3, 0.7])
def test_nms_equals_reference(
    device: str, offset: int, threshold: float
) -> None:
    boxes, scores = random_boxes(200)
    expected = reference_nms(boxes, scores, threshold, offset)
    assert 0 < len(expected) < 200

    dets, kept = mmcv_ops.nms(
        boxes.to(device), scores.to(device), threshold, offset=offset
    )

    assert kept.tolist() == expected
    assert dets[:, :4].cpu().equal(boxes[expected])
    assert dets[:, 4].cpu().equal(scores[expected])


def test_nms_offset_makes_a_difference() -> None:
    # 1 pixel of 3 in common, or, with inclusive corners, 2 pixels of 4.
    boxes = torch.tensor([[0.0, 0, 2, 0], [1, 0, 3, 0], [1, 0, 3, 0]])
    boxes[:, 3] = 9
    scores = torch.tensor([0.9, 0.8, 0.7])
    without = mmcv_ops.nms(boxes, scores, 0.4, offset=0)[1]
    with_offset = mmcv_ops.nms(boxes, scores, 0.4, offset=1)[1]
    assert without.tolist() == [0, 1]
    assert with_offset.tolist() == [0]


@pytest.mark.parametrize('threshold', [0.1, 0.2, 0.3, 0.6, 0.7])
def test_nms_keeps_an_iou_equal_to_the_threshold(threshold: float) -> None:
    width = round(threshold * 10)
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, width, 1]])
    kept = mmcv_ops.nms(boxes, torch.tensor([0.9, 0.8]), threshold)[1]
    assert kept.tolist() == [0, 1]


def test_nms_limits() -> None:
    boxes, scores = random_boxes(50)
    expected = reference_nms(boxes, scores, 0.5, 0)
    _, kept = mmcv_ops.nms(boxes, scores, 0.5, max_num=3)
    assert kept.tolist() == expected[:3]
    _, kept = mmcv_ops.nms(boxes, scores, 0.5, score_threshold=0.5)
    assert kept.tolist() == [i for i in expected if scores[i] > 0.5]
    _, kept = mmcv_ops.nms(boxes[:0], scores[:0], 0.5)
    assert kept.dtype == torch.int64
    assert kept.tolist() == []


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('split', [10, 10000])
def test_batched_nms_keeps_classes_apart(device: str, split: int) -> None:
    boxes, scores = random_boxes(120, seed=3)
    labels = torch.arange(120) % 3
    expected = []
    for label in range(3):
        index = torch.nonzero(labels == label)[:, 0]
        kept = reference_nms(boxes[index], scores[index], 0.4, 0)
        expected += index[kept].tolist()
    expected.sort(key=lambda i: -float(scores[i]))

    _, kept = mmcv_ops.batched_nms(
        boxes.to(device),
        scores.to(device),
        labels.to(device),
        dict(type='nms', iou_threshold=0.4, split_thr=split),
    )

    assert kept.tolist() == expected


def bilinear(image: np.ndarray, y: float, x: float) -> np.ndarray:
    """Value (C,) of an image (C, H, W) between its pixel centres."""
    height, width = image.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(image))
    y = min(max(y, 0), height - 1)
    x = min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * image[:, top, left] + dx * image[:, top, right]
    lower = (1 - dx) * image[:, bottom, left] + dx * image[:, bottom, right]
    return (1 - dy) * upper + dy * lower


def reference_roi_align(
    maps: np.ndarray,
    rois: np.ndarray,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> np.ndarray:
    out = np.zeros((len(rois), maps.shape[1], *size))
    for n, (batch, *corners) in enumerate(rois):
        x1, y1, x2, y2 = np.array(corners) * scale - 0.5 * aligned
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        bin_h, bin_w = height / size[0], width / size[1]
        rows = sampling_ratio or int(np.ceil(bin_h))
        columns = sampling_ratio or int(np.ceil(bin_w))
        for i, j in np.ndindex(*size):
            values = [
                bilinear(
                    maps[int(batch)],
                    y1 + (i + (r + 0.5) / rows) * bin_h,
                    x1 + (j + (c + 0.5) / columns) * bin_w,
                )
                for r in range(rows)
                for c in range(columns)
            ]
            out[n, :, i, j] = np.mean(values, axis=0)
    return out


ROIS = [
    [0, 3.0, 5.0, 40.0, 33.0],
    [1, 10.5, 0.0, 11.0, 60.0],
    [1, -9.0, 20.0, 30.0, 70.0],
    [0, 50.0, 50.0, 90.0, 90.0],
]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align_equals_reference(
    device: str, aligned: bool, sampling_ratio: int
) -> None:
    maps = torch.randn(2, 3, 12, 16, generator=torch.Generator())
    rois = torch.tensor(ROIS)
    layer = mmcv_ops.RoIAlign((3, 5), 0.25, sampling_ratio, aligned=aligned)

    out = layer(maps.to(device), rois.to(device))

    expected = reference_roi_align(
        maps.numpy(), rois.numpy(), (3, 5), 0.25, sampling_ratio, aligned
    )
    np.testing.assert_allclose(out.cpu().numpy(), expected, atol=2e-6)


@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_gradient(aligned: bool) -> None:
    maps = torch.randn(2, 2, 12, 16, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor(ROIS, dtype=torch.float64)
    layer = mmcv_ops.RoIAlign((2, 3), 0.25, 2, aligned=aligned)
    assert torch.autograd.gradcheck(lambda x: layer(x, rois), maps)
    layer(maps, rois).sum().backward()
    assert maps.grad is not None
    assert maps.grad.count_nonzero() > 0


def test_roi_align_of_no_region() -> None:
    maps = torch.randn(1, 2, 8, 8, requires_grad=True)
    out = mmcv_ops.RoIAlign(7, 0.25)(maps, torch.zeros(0, 5))
    assert out.shape == (0, 2, 7, 7)
    out.sum().backward()
    assert maps.grad is not None
    assert not maps.grad.any()


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_in_half_precision(device: str, dtype: torch.dtype) -> None:
    maps = torch.randn(2, 2, 12, 16, device=device)
    rois = torch.tensor(ROIS, device=device)
    layer = mmcv_ops.RoIAlign((2, 3), 0.25, 2)
    rounded = maps.to(dtype).requires_grad_()
    out = layer(rounded, rois)
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.float(), layer(rounded.float(), rois), atol=1e-2, rtol=1e-2
    )
    out.sum().backward()
    assert rounded.grad is not None
    assert rounded.grad.dtype == dtype


def test_max_pooling_is_refused() -> None:
    layer = mmcv_ops.RoIAlign(7, pool_mode='max')
    with pytest.raises(NotImplementedError, match="pool_mode='max'"):
        layer(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5))


def test_other_ops_exist_and_say_how_to_compile_mmcv() -> None:
    with pytest.raises(
        NotImplementedError, match="'ball_query_forward'.*pip install .*mmcv=="
    ):
        mmcv_ext.ball_query_forward()
    with pytest.raises(NotImplementedError, match="'no_such_op'"):
        get_op('no_such_op')
    assert not hasattr(mmcv_ext, '__path__')


def test_collect_env_works() -> None:
    from mmcv.utils import collect_env

    assert 'torchvision' in collect_env()['MMCV Compiler']
