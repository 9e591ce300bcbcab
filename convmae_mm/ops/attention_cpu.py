"""Attention on CPUs that never stores an (L, L) bias.

A fused kernel has no gradient for a bias on a CPU: PyTorch then computes and
keeps all logits, 0.8 GB for each block of 12 heads at 4096 tokens, and
expanding a table to a bias costs as much again. Here a few rows of the grid
are queries at a time, their bias is a view of the table, and the backward
pass recomputes the logits (Dao et al., "FlashAttention", NeurIPS 2022).

A bias comes as a list of terms: the one tensor of a
:class:`~convmae_mm.ops.attention.TableBias`, or the two of an
:class:`~convmae_mm.ops.attention.AxisBias`.

Legend: N sequences, h heads, H W token grid, L = H * W tokens, d channels of
a head, R rows of the grid that are queries at a time.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

# Logits of one step: 16 MiB in float32, so that they stay in the cache.
MAX_LOGITS = 2**22


def attend_in_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    terms: list[Tensor],
    scale: float,
) -> Tensor:
    """See :func:`convmae_mm.ops.attention.attend`."""
    # Half precision has too few digits for sums of thousands of shares.
    dtype = torch.promote_types(query.dtype, torch.float32)
    q, k, v, *terms = (x.to(dtype) for x in (query, key, value, *terms))
    out: Tensor = _attend_in_rows(q, k, v, terms, scale)[0]
    return out.to(query.dtype)


class _Terms(Protocol):
    """A bias, a few rows of queries at a time; of one sequence."""

    gradients: list[Tensor]

    def add(self, logits: Tensor, sequence: int, row: int) -> None:
        """Add to the logits (h, R * W, L) of queries from ``row`` on."""

    def collect(self, gradient: Tensor, sequence: int, row: int) -> None:
        """Add the gradient of those logits to that of the bias."""


class _TableTerms:
    """See :class:`~convmae_mm.ops.attention.TableBias`.

    The bias of queries in row i is a view: rows H - 1 - i to 2 H - 2 - i of
    the strips.
    """

    def __init__(self, strips: Tensor, gradients: bool = False) -> None:
        self.width, self.height = strips.shape[1], (strips.shape[2] + 1) // 2
        self.strips = strips.flatten(2)  # (h, W, (2 H - 1) W)
        self.gradients = [torch.zeros_like(strips)] if gradients else []

    def _view(self, of: Tensor, row: int) -> Tensor:
        start = (self.height - 1 - row) * self.width
        return of[:, :, start : start + self.height * self.width]

    def add(self, logits: Tensor, sequence: int, row: int) -> None:
        for part in logits.split(self.width, 1):
            part.add_(self._view(self.strips, row))
            row += 1

    def collect(self, gradient: Tensor, sequence: int, row: int) -> None:
        for part in gradient.split(self.width, 1):
            self._view(self.gradients[0].flatten(2), row).add_(part)
            row += 1


class _AxisTerms:
    """See :class:`~convmae_mm.ops.attention.AxisBias`."""

    def __init__(
        self, by_row: Tensor, by_column: Tensor, gradients: bool = False
    ) -> None:
        self.terms = (by_row, by_column)
        self.grid = (by_row.shape[-1], by_column.shape[-1])
        self.gradients = (
            [torch.empty_like(term) for term in self.terms]
            if gradients
            else []
        )

    def _queries(self, of: Tensor, logits: Tensor, n: int, row: int) -> Tensor:
        start = row * self.grid[1]
        return of[n, :, start : start + logits.shape[1]]

    def add(self, logits: Tensor, sequence: int, row: int) -> None:
        by_row, by_column = (
            self._queries(term, logits, sequence, row) for term in self.terms
        )
        grid = logits.unflatten(2, self.grid)
        grid.add_(by_row[..., :, None]).add_(by_column[..., None, :])

    def collect(self, gradient: Tensor, sequence: int, row: int) -> None:
        grid = gradient.unflatten(2, self.grid)
        for term, axis in zip(self.gradients, (-1, -2), strict=True):
            rows = self._queries(term, gradient, sequence, row)
            rows.copy_(grid.sum(axis))


def _open_terms(terms: list[Tensor], gradients: bool = False) -> _Terms:
    if len(terms) == 1:
        return _TableTerms(terms[0], gradients)
    return _AxisTerms(terms[0], terms[1], gradients)


def _width(terms: list[Tensor]) -> int:
    """W of the grid: both kinds have it as their last axis."""
    return terms[-1].shape[-1]


def _steps(
    query: Tensor, terms: list[Tensor]
) -> tuple[int, list[tuple[int, int, slice]]]:
    """How many queries a step has, and each step: n, row and its queries."""
    sequences, heads, length, _ = query.shape
    width = _width(terms)
    rows = max(1, MAX_LOGITS // (heads * width * length))
    size = min(rows * width, length)
    return size, [
        (n, start // width, slice(start, min(start + size, length)))
        for n in range(sequences)
        for start in range(0, length, size)
    ]


# Schemas are written out: torch < 2.7 cannot read them off these annotations.
@torch.library.custom_op(
    'convmae_mm::attend_in_rows',
    mutates_args=(),
    schema='(Tensor query, Tensor key, Tensor value, Tensor[] terms, '
    'float scale) -> (Tensor, Tensor)',
)
@torch.autocast('cpu', enabled=False)
def _attend_in_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    terms: list[Tensor],
    scale: float,
) -> tuple[Tensor, Tensor]:
    """The output (N, h, L, d), and logsumexp (N, h, L, 1) of the logits."""
    bias = _open_terms(terms)
    query = query * scale
    out = torch.empty_like(query)
    sums = query.new_empty(*query.shape[:3], 1)
    size, steps = _steps(query, terms)
    buffer = query.new_empty(query.shape[1], size, query.shape[2])
    for n, row, queries in steps:
        logits = buffer[:, : queries.stop - queries.start]
        torch.bmm(query[n, :, queries], key[n].mT, out=logits)
        bias.add(logits, n, row)
        largest = logits.amax(-1, keepdim=True)
        logits.sub_(largest).exp_()
        total = logits.sum(-1, keepdim=True)
        out[n, :, queries] = torch.bmm(logits, value[n]).div_(total)
        sums[n, :, queries] = total.log_().add_(largest)
    return out, sums


@torch.library.custom_op(
    'convmae_mm::attend_in_rows_backward',
    mutates_args=(),
    schema='(Tensor gradient, Tensor query, Tensor key, Tensor value, '
    'Tensor[] terms, Tensor out, Tensor sums, float scale) -> Tensor[]',
)
@torch.autocast('cpu', enabled=False)
def _attend_in_rows_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    terms: list[Tensor],
    out: Tensor,
    sums: Tensor,
    scale: float,
) -> list[Tensor]:
    """Gradients of query, key, value and of the terms."""
    bias = _open_terms(terms, gradients=True)
    means = (gradient * out).sum(-1, keepdim=True)  # (N, h, L, 1)
    query = query * scale
    # One more channel subtracts the logsumexp, or the mean, in the product.
    wide_query, wide_key = _widen(query, -sums), _widen(key)
    wide_gradient, wide_value = _widen(gradient, -means), _widen(value)
    d_query = torch.empty_like(query)
    d_key, d_value = torch.zeros_like(key), torch.zeros_like(value)
    size, steps = _steps(query, terms)
    heads, length = query.shape[1:3]
    buffers = query.new_empty(2, heads, size, length)
    for n, row, queries in steps:
        shares, d_logits = buffers[:, :, : queries.stop - queries.start]
        torch.bmm(wide_query[n, :, queries], wide_key[n].mT, out=shares)
        bias.add(shares, n, row)
        shares.exp_()
        d_value[n].baddbmm_(shares.mT, gradient[n, :, queries])
        torch.bmm(wide_gradient[n, :, queries], wide_value[n].mT, out=d_logits)
        d_logits.mul_(shares)
        bias.collect(d_logits, n, row)
        d_query[n, :, queries] = torch.bmm(d_logits, key[n])
        d_key[n].baddbmm_(d_logits.mT, query[n, :, queries])
    return [d_query.mul_(scale), d_key, d_value, *bias.gradients]


def _widen(x: Tensor, channel: Tensor | None = None) -> Tensor:
    """(N, h, L, d) -> (N, h, L, d + 1); the new channel is 1 unless given."""
    if channel is None:
        channel = torch.ones_like(x[..., :1])
    return torch.cat([x, channel], dim=-1)


@_attend_in_rows.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    terms: list[Tensor],
    scale: float,
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(query), query.new_empty(*query.shape[:3], 1)


@_attend_in_rows_backward.register_fake
def _(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    terms: list[Tensor],
    out: Tensor,
    sums: Tensor,
    scale: float,
) -> list[Tensor]:
    return [torch.empty_like(x) for x in (query, key, value, *terms)]


def _keep(ctx: Any, inputs: tuple, output: tuple) -> None:
    query, key, value, terms, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, *output, *terms)


def _differentiate(ctx: Any, gradient: Tensor, _: Tensor) -> tuple:
    query, key, value, out, sums, *terms = ctx.saved_tensors
    d_query, d_key, d_value, *d_terms = _attend_in_rows_backward(
        gradient, query, key, value, terms, out, sums, ctx.scale
    )
    return d_query, d_key, d_value, d_terms, None


_attend_in_rows.register_autograd(_differentiate, setup_context=_keep)


# Matrix products only, as torch counts its own attention.
@register_flop_formula(torch.ops.convmae_mm.attend_in_rows)
def _count_forward(query_shape: torch.Size, *_: Any, **__: Any) -> int:
    sequences, heads, length, channels = query_shape
    return 2 * 2 * sequences * heads * length**2 * channels


@register_flop_formula(torch.ops.convmae_mm.attend_in_rows_backward)
def _count_backward(
    _: Any, query_shape: torch.Size, *__: Any, **___: Any
) -> int:
    sequences, heads, length, channels = query_shape
    return 5 * 2 * sequences * heads * length**2 * channels
