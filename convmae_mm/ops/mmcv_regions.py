"""Boxes and regions for mmcv: suppression and pooling, see ``mmcv_ops``."""

from __future__ import annotations

import torch
from torch import Tensor

from .mmcv_common import at_least_float32, missing

# mmcv's code for the pooling mode 'avg'; 0 is 'max'.
AVERAGE = 1


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4), corners x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: A box is dropped if its IoU with a better one is
            greater.
        offset: 0, or 1 where corners are inclusive pixel indices, so that a
            box is x2 - x1 + 1 wide.

    Returns:
        Indices (K,) of the kept boxes by falling score, int64.
    """
    import torchvision.ops

    # mmcv's kernels know float32 only, the threshold included: an IoU of
    # float32(0.1) does not exceed a threshold of 0.1.
    boxes, scores = boxes.float(), scores.float()
    threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(boxes, scores, threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft non-maximum suppression (Bodla et al., ICCV 2017).

    Args:
        boxes: (N, 4), corners x1, y1, x2, y2.
        scores: (N,).
        dets: (N, 5); the kept boxes and their new scores, written here.
        iou_threshold: From here on methods 0 and 1 lower a score.
        sigma: Width of the Gaussian of method 2.
        min_score: Boxes whose score falls below are dropped.
        method: 0 drops, 1 multiplies by 1 - IoU, 2 by a Gaussian of it.
        offset: As for :func:`nms`.

    Returns:
        Indices (K,) of the kept boxes in the order of ``dets``, int64.
    """
    scores = scores.clone()
    left = torch.arange(len(boxes))
    kept: list[int] = []
    while len(left):
        top = int(scores[left].argmax())
        best = int(left[top])
        dets[len(kept), :4], dets[len(kept), 4] = boxes[best], scores[best]
        kept.append(best)
        left = torch.cat([left[:top], left[top + 1 :]])
        iou = _overlaps(boxes[best], boxes[left], offset)
        if method == 2:
            factor = torch.exp(-(iou**2) / sigma)
        else:
            lowered = 1 - iou if method == 1 else torch.zeros_like(iou)
            factor = torch.where(iou >= iou_threshold, lowered, 1.0)
        scores[left] *= factor
        left = left[scores[left] >= min_score]
    return torch.tensor(kept, dtype=torch.int64)


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Which boxes each kept box suppresses, best first.

    Args:
        dets: (N, 5), boxes and their scores.
        iou_threshold: A box is suppressed from this IoU on.

    Returns:
        A list for each kept box by falling score: its index, and those that
        it suppresses.
    """
    left = dets[:, 4].argsort(descending=True)
    groups: list[list[int]] = []
    while len(left):
        best, left = left[0], left[1:]
        iou = _overlaps(dets[best, :4], dets[left, :4], 0)
        gone = iou >= iou_threshold
        groups.append([int(best), *left[gone].tolist()])
        left = left[~gone]
    return groups


def _overlaps(box: Tensor, boxes: Tensor, offset: int) -> Tensor:
    """IoU (N,) of a box (4,) with boxes (N, 4)."""
    import torchvision.ops

    grown = box.new_tensor([0, 0, offset, offset])
    iou = torchvision.ops.box_iou((box + grown)[None], boxes + grown)[0]
    return iou.nan_to_num()  # boxes without an area overlap nothing


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign with average pooling.

    Args:
        input: Feature map (B, C, H, W).
        rois: (N, 5), index of the image and x1, y1, x2, y2 in image pixels.
        output: (N, C, aligned_height, aligned_width), written here.
        argmax_y: Used by max pooling only.
        argmax_x: Used by max pooling only.
        aligned_height: Output rows per region.
        aligned_width: Output columns per region.
        spatial_scale: Feature map pixels per image pixel.
        sampling_ratio: Samples per bin and side; 0: as many as the bin has
            feature map pixels.
        pool_mode: 1, average.
        aligned: Whether pixel centres are at half-integer coordinates.

    Raises:
        NotImplementedError: For max pooling.
    """
    import torchvision  # noqa: F401  registers the op

    _check_average(pool_mode)
    features = at_least_float32(input)
    pooled = torch.ops.torchvision.roi_align(
        features,
        rois.to(features.dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward` with respect to its input.

    Args:
        grad_output: (N, C, aligned_height, aligned_width).
        rois: As in the forward pass.
        argmax_y: Used by max pooling only.
        argmax_x: Used by max pooling only.
        grad_input: (B, C, H, W), the gradient is added here.
        aligned_height: As in the forward pass, like all that follow.
        aligned_width: See there.
        spatial_scale: See there.
        sampling_ratio: See there.
        pool_mode: See there.
        aligned: See there.

    Raises:
        NotImplementedError: For max pooling.
    """
    import torchvision  # noqa: F401  registers the op

    _check_average(pool_mode)
    grad = at_least_float32(grad_output)
    grad_input += torch.ops.torchvision._roi_align_backward(
        grad,
        rois.to(grad.dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """RoIPool, the largest value of each bin.

    Args:
        input: Feature map (B, C, H, W).
        rois: (N, 5), as for :func:`roi_align_forward`.
        output: (N, C, pooled_height, pooled_width), written here.
        argmax: Its places in the map, int32, written here.
        pooled_height: Output rows per region.
        pooled_width: Output columns per region.
        spatial_scale: Feature map pixels per image pixel.
    """
    import torchvision  # noqa: F401  registers the op

    features = at_least_float32(input)
    pooled, places = torch.ops.torchvision.roi_pool(
        features,
        rois.to(features.dtype),
        spatial_scale,
        pooled_height,
        pooled_width,
    )
    output.copy_(pooled)
    argmax.copy_(places)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Gradient of :func:`roi_pool_forward`, added to ``grad_input``."""
    import torchvision  # noqa: F401  registers the op

    grad = at_least_float32(grad_output)
    grad_input += torch.ops.torchvision._roi_pool_backward(
        grad,
        rois.to(grad.dtype),
        argmax,
        spatial_scale,
        pooled_height,
        pooled_width,
        *grad_input.shape,
    )


def _check_average(pool_mode: int) -> None:
    if pool_mode != AVERAGE:
        raise missing("its op 'roi_align' with pool_mode='max'")
