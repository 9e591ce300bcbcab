"""The ops of ``mmcv._ext`` that torchvision has too.

Where mmcv was installed without a compiler, ``_convmae_mm_mmcv`` (see there)
makes ``mmcv._ext`` of these functions. Their names, arguments and meaning are
those of mmcv's C++ ops, which write into tensors of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convmae_mm.environment import compile_mmcv_command, installed_versions

__all__ = ['get_op']

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
    features = _at_least_float32(input)
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
    grad = _at_least_float32(grad_output)
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


def get_compiler_version() -> str:
    """What mmcv's ``collect_env`` prints for the compiler."""
    return 'none (ops substituted from torchvision by convmae_mm)'


def get_compiling_cuda_version() -> str:
    """What mmcv's ``collect_env`` prints for the CUDA compiler."""
    return 'none'


OPS: dict[str, Callable[..., Any]] = {
    op.__name__: op
    for op in (
        nms,
        roi_align_forward,
        roi_align_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}


def get_op(name: str) -> Callable[..., Any]:
    """The substitute for the op ``name`` of ``mmcv._ext``.

    Raises:
        NotImplementedError: If there is none; says how to compile mmcv.
    """
    if name not in OPS:
        raise _missing(f'its op {name!r}')
    return OPS[name]


def _check_average(pool_mode: int) -> None:
    if pool_mode != AVERAGE:
        raise _missing("its op 'roi_align' with pool_mode='max'")


def _missing(what: str) -> NotImplementedError:
    command = compile_mmcv_command(installed_versions())
    return NotImplementedError(
        f'mmcv was installed without compiled ops, and {what} has no '
        'substitute: convmae_mm takes only nms and roi_align (average) from '
        'torchvision. To compile mmcv (10 to 20 minutes, needs a C++ '
        f'compiler, for GPUs nvcc too): {command}'
    )


def _at_least_float32(x: Tensor) -> Tensor:
    # torchvision has no half precision kernel on CPU, and mixed precision
    # training runs these ops in float32 with torchvision anyway.
    return x if x.dtype == torch.float64 else x.float()
