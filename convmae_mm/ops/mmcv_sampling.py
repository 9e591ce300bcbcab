"""Ops that sample maps at learned places for mmcv, see ``mmcv_ops``.

Deformable convolutions come from torchvision, deformable attention is mmcv's
own in plain PyTorch, which it takes on CPUs. The arguments ``columns`` and
``ones`` of mmcv's C++ are its buffers; nothing here needs them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .mmcv_common import at_least_float32, gradients


def _convolve(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    **geometry: Any,
) -> Tensor:
    from torchvision.ops import deform_conv2d

    x, offset, weight = map(at_least_float32, (input, offset, weight))
    rows, columns = (
        (side + 2 * pad - step * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, pad, step in zip(
            x.shape[2:],
            weight.shape[2:],
            *(geometry[name] for name in ('stride', 'padding', 'dilation')),
            strict=True,
        )
    )
    offset = _as_mmcv_reads(offset, rows, columns)
    offset = _hold_outside(offset, x, weight, geometry)
    if mask is not None:
        mask = _as_mmcv_reads(at_least_float32(mask), rows, columns)
    bias = None if bias is None else at_least_float32(bias)
    out: Tensor = deform_conv2d(x, offset, weight, bias, mask=mask, **geometry)
    return out


def _as_mmcv_reads(places: Tensor, rows: int, columns: int) -> Tensor:
    """Places for more outputs than there are, as mmcv's kernels take them.

    They index the memory as if it had the size of the output, and mmdet's
    DyHead, whose offsets are those of a larger map, was trained so.
    """
    batch, channels, height, width = places.shape
    if height < rows or width < columns:
        raise ValueError(
            f'offsets for {height} x {width} outputs, but there are {rows} x '
            f'{columns}'
        )
    wanted = places.flatten()[: batch * channels * rows * columns]
    return wanted.view(batch, channels, rows, columns)


def _hold_outside(
    offset: Tensor, x: Tensor, weight: Tensor, geometry: dict[str, Any]
) -> Tensor:
    """No gradient for offsets that lead to the row -1 or further out.

    torchvision has one at -1 itself, where padding puts the first row while
    offsets are still zeros, and mmcv has none.
    """
    places = offset.unflatten(1, (-1, *weight.shape[2:], 2))
    outside = offset.new_zeros((), dtype=torch.bool)
    for axis in (0, 1):
        first, step, dilation = (
            geometry[name][axis] for name in ('padding', 'stride', 'dilation')
        )
        taps = torch.arange(weight.shape[2 + axis], device=x.device) * dilation
        cells = torch.arange(offset.shape[2 + axis], device=x.device) * step
        # (kH, 1, h, 1) of rows, (kW, 1, w) of columns
        grid = taps[:, None] + cells - first
        grid = grid[:, None, :, None] if axis == 0 else grid[:, None]
        place = places[..., axis, :, :] + grid
        outside = outside | (place <= -1) | (place >= x.shape[2 + axis])
    held = torch.where(outside.unsqueeze(4), places.detach(), places)
    return held.view_as(offset)


def _geometry(arguments: dict[str, Any]) -> dict[str, Any]:
    """Stride, padding and dilation out of what mmcv's first version says.

    ``group`` and ``deformable_group`` follow from the shapes.
    """
    return dict(
        stride=(arguments['dH'], arguments['dW']),
        padding=(arguments['padH'], arguments['padW']),
        dilation=(arguments['dilationH'], arguments['dilationW']),
    )


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **arguments: Any,
) -> None:
    """Deformable convolution (Dai et al., ICCV 2017).

    Args:
        input: (B, C, H, W).
        weight: (D, C / groups, kH, kW).
        offset: (B, 2 G kH kW, h, w), rows before columns.
        output: (B, D, h, w), written here.
        columns: Not needed.
        ones: Not needed.
        **arguments: mmcv's dW, dH, padW, padH, dilationW, dilationH, ...
    """
    geometry = _geometry(arguments)
    output.copy_(_convolve(input, offset, weight, **geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **arguments: Any,
) -> None:
    """Gradients of input and offset, written to ``grad_...``."""
    convolve = partial(_convolve, weight=weight, **_geometry(arguments))
    grads = gradients(convolve, [input, offset], grad_output)
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[1])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float = 1,
    **arguments: Any,
) -> None:
    """Gradient of the weight, times ``scale``, added to ``grad_weight``."""
    convolve = partial(_convolve, input, offset, **_geometry(arguments))
    # linear in the weight: its gradient is the same for every weight
    (grad,) = gradients(convolve, [grad_weight], grad_output)
    grad_weight += scale * grad


def _modulated_geometry(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        name: (arguments[f'{short}_h'], arguments[f'{short}_w'])
        for name, short in (
            ('stride', 'stride'),
            ('padding', 'pad'),
            ('dilation', 'dilation'),
        )
    }


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **arguments: Any,
) -> None:
    """Deformable convolution whose samples have weights (Zhu et al., 2019).

    Args:
        input: (B, C, H, W).
        weight: (D, C / groups, kH, kW).
        bias: (D,), if ``with_bias``.
        ones: Not needed.
        offset: (B, 2 G kH kW, h, w), rows before columns.
        mask: (B, G kH kW, h, w).
        output: (B, D, h, w), written here.
        columns: Not needed.
        with_bias: Whether there is a bias.
        **arguments: mmcv's stride_h, stride_w, pad_h, dilation_h, ...
    """
    geometry = _modulated_geometry(arguments)
    out = _convolve(input, offset, weight, mask, **geometry)
    output.copy_(out + bias[:, None, None] if with_bias else out)


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **arguments: Any,
) -> None:
    """Gradients of all five, added to ``grad_...``."""
    convolve = partial(_convolve, **_modulated_geometry(arguments))
    inputs = [input, offset, weight, mask]
    targets = [grad_input, grad_offset, grad_weight, grad_mask]
    grads = gradients(convolve, inputs, grad_output)
    for target, grad in zip(targets, grads, strict=True):
        target += grad
    if with_bias:
        grad_bias += grad_output.sum((0, 2, 3))


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Multi-scale deformable attention (Zhu et al., ICLR 2021).

    Args:
        value: (B, keys, heads, d), of all levels one after another.
        value_spatial_shapes: (levels, 2), height and width of each.
        value_level_start_index: Follows from the shapes.
        sampling_locations: (B, queries, heads, levels, points, 2), x and y
            from 0 to 1.
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: Not needed.

    Returns:
        (B, queries, heads * d).
    """
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    shapes = value_spatial_shapes.tolist()
    out: Tensor = multi_scale_deformable_attn_pytorch(
        value, shapes, sampling_locations, attention_weights
    )
    return out


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Gradients of value, places and weights, added to ``grad_...``."""

    def attend(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        return ms_deform_attn_forward(
            value,
            value_spatial_shapes,
            value_level_start_index,
            locations,
            weights,
            im2col_step,
        )

    inputs = [value, sampling_locations, attention_weights]
    targets = [grad_value, grad_sampling_loc, grad_attn_weight]
    grads = gradients(attend, inputs, grad_output)
    for target, grad in zip(targets, grads, strict=True):
        target += grad


def _reassemble(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int
) -> Tensor:
    """CARAFE; the scale factor follows from the shapes."""
    batch, channels, height, width = features.shape
    scale = masks.shape[2] // height
    taps = F.unfold(features, kernel_size, padding=kernel_size // 2)
    taps = taps.view(batch, group_size, -1, kernel_size**2, height, width)
    kernels = masks.view(
        batch, group_size, kernel_size**2, height, scale, width, scale
    )
    out = torch.einsum('bgckhw,bgkhiwj->bgchiwj', taps, kernels)
    return out.reshape(batch, channels, height * scale, width * scale)


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Content-aware reassembly of features (Wang et al., ICCV 2019).

    Args:
        features: (B, C, H, W).
        masks: (B, groups k k, s H, s W), a kernel for each output cell.
        rfeatures: Takes the features for the backward pass.
        routput: Not needed.
        rmasks: Not needed.
        output: (B, C, s H, s W), written here.
        kernel_size: k, odd.
        group_size: Number of groups of channels.
        scale_factor: s.
    """
    rfeatures.copy_(features)
    output.copy_(_reassemble(features, masks, kernel_size, group_size))


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of features and masks, added to ``grad_...``."""
    reassemble = partial(
        _reassemble, kernel_size=kernel_size, group_size=group_size
    )
    grads = gradients(reassemble, [rfeatures, masks], grad_output)
    grad_input += grads[0]
    grad_masks += grads[1]


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """What a kernel sees at some places of a map.

    Args:
        im: (1, C, H, W).
        mask_h_idx: Rows (N,) of the places.
        mask_w_idx: Columns (N,) of the places.
        col: (C kernel_h kernel_w, N), written here.
        kernel_h: Height of the kernel, and so on.
        kernel_w: See there.
        pad_h: See there.
        pad_w: See there.
    """
    taps = F.unfold(im, (kernel_h, kernel_w), padding=(pad_h, pad_w))[0]
    width = im.shape[3] + 2 * pad_w - kernel_w + 1
    col.copy_(taps[:, mask_h_idx * width + mask_w_idx])


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write columns (C, N) to their places in a map (1, C, H, W)."""
    im[0, :, mask_h_idx, mask_w_idx] = col


def _spread_masks(
    input: Tensor, psa_type: int, h_mask: int, w_mask: int
) -> Tensor:
    """Attention of all pairs (B, H W, H, W) from masks around each place."""
    height, width = input.shape[2:]
    y, x = (torch.arange(n, device=input.device) for n in (height, width))
    # row and column of the mask, for a place before and a place after
    row = y[:, None, None, None] - y[:, None] + (h_mask - 1) // 2
    column = x[:, None, None] - x + (w_mask - 1) // 2
    inside = (row >= 0) & (row < h_mask) & (column >= 0) & (column < w_mask)
    index = (row * w_mask + column).where(inside, 0).flatten(0, 1)
    index = index.expand(len(input), -1, -1, -1)
    collected = input.gather(1, index) * inside.flatten(0, 1)
    if psa_type == 0:
        return collected
    return collected.flatten(2).mT.reshape(collected.shape)


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    h_mask: int,
    w_mask: int,
    **_: int,
) -> None:
    """Point-wise spatial attention (Zhao et al., ECCV 2018).

    Args:
        input: (B, h_mask w_mask, H, W), a mask around each place.
        output: (B, H W, H, W), written here.
        psa_type: 0 collects, 1 distributes.
        h_mask: Rows of a mask, odd.
        w_mask: Columns of a mask, odd.
        **_: What follows from these.
    """
    output.copy_(_spread_masks(input, psa_type, h_mask, w_mask))


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    h_mask: int,
    w_mask: int,
    **_: int,
) -> None:
    """Gradient of the masks, added to ``grad_input``."""
    spread = partial(
        _spread_masks, psa_type=psa_type, h_mask=h_mask, w_mask=w_mask
    )
    # linear: the gradient is the same for every input
    grad_input += gradients(spread, [grad_input], grad_output)[0]
