"""The masked depthwise convolution, on the visible patches alone.

The paper multiplies the input of the depthwise convolution by the mask and
throws the masked outputs away. With P the choice of the visible cells and K
the convolution, what is left is ``P K P^T``. It is computed patch by patch:
each visible patch is gathered with the margin that the kernel reaches, zeros
where nothing is visible, and convolved without padding. That is a quarter of
the outputs at a mask ratio of 0.75. What is gathered, patches with their
margins, has 1 (stage 1) or 2.25 (stage 2) times the cells of a whole map then,
for the time of one convolution.

The transpose ``P K^T P^T`` has the same form. So the gradient of the input is
the same masked convolution, of the gradient, by the kernel turned round: the
backward pass gathers as well and never adds into overlapping margins.

Legend: N masks, H W grid of patches, V visible patches, k cells along one
side of a patch, m cells of margin, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight


def locate_surroundings(
    ids_keep: Tensor, grid: tuple[int, int], cells: int, margin: int
) -> Tensor:
    """Find each visible patch with its margin among the visible cells.

    Args:
        ids_keep: (N, V), indices into the flattened ``grid``.
        grid: (H, W) of the patches.
        cells: k.
        margin: m, half the kernel of the convolution.

    Returns:
        (N, V, k + 2 m, k + 2 m), indices of rows of the flattened cells
        (N V k k, C). Cells that are masked, or outside the map, have the
        index that follows the last row.
    """
    device = ids_keep.device
    num_masks, num_visible = ids_keep.shape
    height, width = grid
    top = torch.div(ids_keep, width, rounding_mode='floor') * cells
    left = ids_keep % width * cells
    mask = torch.arange(num_masks, device=device)[:, None, None, None]

    def places(first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of ``count`` x ``count`` cells from ``first`` in each patch."""
        offset = first + torch.arange(count, device=device)
        y = top[:, :, None, None] + offset[:, None]
        x = left[:, :, None, None] + offset
        return mask, y, x

    num_rows = num_masks * num_visible * cells**2
    rows = torch.arange(num_rows, device=device)
    row_at = rows.new_full(
        (
            num_masks,
            height * cells + 2 * margin,
            width * cells + 2 * margin,
        ),
        num_rows,
    )
    row_at[places(margin, cells)] = rows.view(num_masks, -1, cells, cells)
    return row_at[places(0, cells + 2 * margin)]


def convolve_visible(
    patches: Tensor, weight: Tensor, bias: Tensor, surroundings: Tensor
) -> Tensor:
    """Convolve the visible patches, as if zeros lay in the masked ones.

    Args:
        patches: (N, V, k, k, C).
        weight: (C, 1, 2 m + 1, 2 m + 1), a depthwise kernel.
        bias: (C,).
        surroundings: From :func:`locate_surroundings`.

    Returns:
        (N, V, k, k, C).
    """
    out: Tensor = _ConvolveVisible.apply(patches, weight, bias, surroundings)
    return out


class _ConvolveVisible(torch.autograd.Function):
    """See :func:`convolve_visible`."""

    @staticmethod
    def forward(
        patches: Tensor, weight: Tensor, bias: Tensor, surroundings: Tensor
    ) -> Tensor:
        whole = _surround(patches, surroundings)
        return _convolve(whole, weight, bias).view_as(patches)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        patches, weight, _, surroundings = inputs
        ctx.save_for_backward(patches, weight, surroundings)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        patches, weight, surroundings = ctx.saved_tensors
        d_patches = d_weight = d_bias = None
        # Under autocast the weight is wider than what was convolved.
        kernel = weight.to(gradient.dtype)
        if ctx.needs_input_grad[0]:
            d_patches = _convolve(
                _surround(gradient, surroundings), kernel.flip(2, 3)
            )
            d_patches = d_patches.view_as(patches).to(patches.dtype)
        if ctx.needs_input_grad[1]:
            d_weight = conv2d_weight(
                _surround(patches.to(gradient.dtype), surroundings),
                kernel.shape,
                gradient.flatten(0, 1).permute(0, 3, 1, 2),
                groups=len(kernel),
            ).to(weight.dtype)
        if ctx.needs_input_grad[2]:
            d_bias = gradient.sum((0, 1, 2, 3)).to(weight.dtype)
        return d_patches, d_weight, d_bias, None


def _surround(patches: Tensor, surroundings: Tensor) -> Tensor:
    """Gather each patch with its margin: (N V, C, k + 2 m, k + 2 m)."""
    channels = patches.shape[-1]
    rows = patches.reshape(-1, channels)
    rows = torch.cat([rows, rows.new_zeros(1, channels)])
    whole = rows.index_select(0, surroundings.flatten())
    side = surroundings.shape[-1]
    return whole.view(-1, side, side, channels).permute(0, 3, 1, 2)


def _convolve(
    whole: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """(N V, C, k + 2 m, k + 2 m) -> (N V, k, k, C), contiguous."""
    out = F.conv2d(whole, weight, bias, groups=len(weight))
    return out.permute(0, 2, 3, 1).contiguous()
