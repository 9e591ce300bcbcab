"""Attention with relative positions, whatever the device.

On GPUs a fused kernel computes every kind: a table of relative positions is
expanded to a bias once, for all blocks that share it; decomposed positions
become part of the product of query and key. On CPUs no fused kernel has a
gradient for a bias, and :mod:`convmae_mm.ops.attention_cpu` steps in.

Legend: N sequences, h heads, H W token grid, L = H * W tokens, d channels of
a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention_cpu import attend_in_rows


@dataclass(frozen=True)
class TableBias:
    """One number per head and offset, shared by all sequences; for CPUs.

    Attributes:
        strips: (h, W, 2 H - 1, W), see
            :func:`convmae_mm.ops.positions.expand_columns`.
    """

    strips: Tensor


@dataclass(frozen=True)
class AxisBias:
    """The sum of a vertical and a horizontal term for each query.

    Attributes:
        by_row: (N, h, L, H), for each query and row of keys.
        by_column: (N, h, L, W), for each query and column of keys.
    """

    by_row: Tensor
    by_column: Tensor


Bias = Tensor | TableBias | AxisBias | None


def attend(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Bias = None
) -> Tensor:
    """``softmax(scale * query key^T + bias) value``.

    Args:
        query: (N, h, L, d).
        key: (N, h, L, d).
        value: (N, h, L, d).
        scale: Of the products, usually 1 / sqrt(d).
        bias: Added to the logits; a tensor must be broadcastable to
            (N, h, L, L).
    """
    if isinstance(bias, AxisBias) and query.device.type != 'cpu':
        query, key, value = _fold(query, key, value, scale, bias)
        return F.scaled_dot_product_attention(query, key, value, scale=scale)
    if isinstance(bias, AxisBias):
        terms = [bias.by_row, bias.by_column]
        return attend_in_rows(query, key, value, terms, scale)
    if isinstance(bias, TableBias):
        return attend_in_rows(query, key, value, [bias.strips], scale)
    if bias is not None:
        bias = bias.to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)


def _fold(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: AxisBias
) -> tuple[Tensor, Tensor, Tensor]:
    """Make the two terms part of the product of query and key.

    The query gets its terms as H + W further channels, the key a one-hot
    code of its own row and column, and both zeros up to a multiple of 8
    channels, which fused kernels want. The value stays.
    """
    height, width = bias.by_row.shape[-1], bias.by_column.shape[-1]
    rows = torch.eye(height, dtype=key.dtype, device=key.device)
    columns = torch.eye(width, dtype=key.dtype, device=key.device)
    codes = torch.cat(
        [rows.repeat_interleave(width, 0), columns.repeat(height, 1)], dim=1
    )
    terms = torch.cat([bias.by_row, bias.by_column], dim=-1) / scale
    query = torch.cat([query, terms.to(query.dtype)], dim=-1)
    codes = codes.expand(*key.shape[:2], -1, -1)
    key = torch.cat([key, codes], dim=-1)
    fill = -key.shape[-1] % 8
    return F.pad(query, (0, fill)), F.pad(key, (0, fill)), value
