"""Blocks of the dense algorithm, as the paper states it.

Maps are (B, C, h, w), every position is computed, and attention holds its
logits. Parameters are called as in the files that the authors released.

Legend: B batch, H W token grid, L = H * W tokens, C channels, d channels of
a head, N sequences.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, C, h, w), by permuting."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DensePatchEmbed(nn.Module):
    """Convolution with kernel = stride, LayerNorm, GELU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, stride, stride)
        self.norm = ChannelNorm(outputs, eps=1e-5)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        return self.act(self.norm(self.proj(x)))


class DenseConvBlock(nn.Module):
    """``x + conv2(depthwise(mask * conv1(norm1(x))))``, then an MLP."""

    def __init__(self, channels: int, ratio: float, eps: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.norm1 = ChannelNorm(channels, eps=eps)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.attn = nn.Conv2d(channels, channels, 5, 1, 2, groups=channels)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.norm2 = ChannelNorm(channels, eps=eps)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Conv2d(channels, hidden, 1),
                act=nn.GELU(),
                fc2=nn.Conv2d(hidden, channels, 1),
            )
        )

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Transform maps (B, C, h, w).

        Args:
            x: The maps.
            visible: (M, B, 1, h, w), 1 at what each of M masks shows and 0
                elsewhere. The masks share no position, so one map carries
                them all, and only the depthwise convolution runs for each.
        """
        mixed = self.conv1(self.norm1(x))
        if visible is None:
            mixed = self.attn(mixed)
        elif len(visible) == 1:
            mixed = self.attn(visible[0] * mixed)
        else:
            mixed = sum(shown * self.attn(shown * mixed) for shown in visible)
        x = x + self.conv2(mixed)
        return x + self.mlp(self.norm2(x))


class RelativeTable(nn.Module):
    """One number per head and offset, gathered by an integer index.

    Args:
        grid: (H, W).
        heads: Number of attention heads.
    """

    def __init__(self, grid: tuple[int, int], heads: int) -> None:
        super().__init__()
        height, width = grid
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * height - 1) * (2 * width - 1), heads)
        )
        places = torch.stack(
            torch.meshgrid(
                torch.arange(height), torch.arange(width), indexing='ij'
            )
        ).flatten(1)  # (2, L)
        dy, dx = places[:, :, None] - places[:, None]  # each (L, L)
        index = (dy + height - 1) * (2 * width - 1) + dx + width - 1
        self.register_buffer('relative_position_index', index)

    def forward(self) -> Tensor:
        """The bias (heads, L, L)."""
        return gather_bias(
            self.relative_position_bias_table, self.relative_position_index
        )


def gather_bias(table: Tensor, index: Tensor) -> Tensor:
    """(N, heads) by an index (L, L) -> (heads, L, L)."""
    bias = table[index.flatten()].reshape(*index.shape, -1)
    return bias.permute(2, 0, 1).contiguous()


class DenseAttention(nn.Module):
    """Self-attention with its logits and their softmax written out."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(
        self, tokens: Tensor, bias: Tensor | None, grid: tuple[int, int] | None
    ) -> Tensor:
        """Attend among (N, L, C).

        Args:
            tokens: The sequences.
            bias: Added to the logits (N, heads, L, L), broadcastable.
            grid: (H, W), for the subclasses; attention alone needs none.
        """
        batch, length, channels = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scale = query.shape[-1] ** -0.5
        logits = (query * scale) @ key.transpose(-2, -1)
        if bias is not None:
            logits = logits + bias
        logits = self.add_positions(logits, query, grid)
        mixed = logits.softmax(dim=-1) @ value
        return self.proj(mixed.transpose(1, 2).reshape(tokens.shape))

    def add_positions(
        self, logits: Tensor, query: Tensor, grid: tuple[int, int] | None
    ) -> Tensor:
        """Add what this layer alone knows of relative positions: nothing."""
        return logits


class TableAttention(DenseAttention):
    """Attention with a table of its own, over the whole grid."""

    def __init__(
        self, channels: int, heads: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(channels, heads)
        table = RelativeTable(grid, heads)
        # The released names have no level between the layer and its table.
        self.relative_position_bias_table = table.relative_position_bias_table
        self.register_buffer(
            'relative_position_index', table.relative_position_index
        )

    def add_positions(
        self, logits: Tensor, query: Tensor, grid: tuple[int, int] | None
    ) -> Tensor:
        return logits + gather_bias(
            self.relative_position_bias_table, self.relative_position_index
        )


class DecomposedAttention(DenseAttention):
    """Attention with ``query . height[dy] + query . width[dx]`` per pair."""

    def __init__(
        self, channels: int, heads: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(channels, heads)
        shape = channels // heads
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * grid[0] - 1, shape))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * grid[1] - 1, shape))

    def add_positions(
        self, logits: Tensor, query: Tensor, grid: tuple[int, int] | None
    ) -> Tensor:
        assert grid is not None
        rows, columns = (
            vectors[offsets(side, vectors.device)]  # (side, side, d)
            for vectors, side in zip(
                (self.rel_pos_h, self.rel_pos_w), grid, strict=True
            )
        )
        q = query.unflatten(2, grid)  # (N, heads, H, W, d)
        by_row = torch.einsum('nhyxd,ykd->nhyxk', q, rows)
        by_column = torch.einsum('nhyxd,xkd->nhyxk', q, columns)
        pairs = logits.unflatten(3, grid).unflatten(2, grid)
        pairs = pairs + by_row[..., :, None] + by_column[..., None, :]
        return pairs.reshape(logits.shape)


def offsets(side: int, device: torch.device) -> Tensor:
    """(side, side): query minus key along one axis, moved to begin at 0."""
    places = torch.arange(side, device=device)
    return places[:, None] - places + side - 1


class Windows:
    """Cut a grid into windows; incomplete ones are filled up with zeros.

    Args:
        grid: (H, W).
        side: w, of a window.
        shift: How far the windows are moved down and to the right.
    """

    def __init__(self, grid: tuple[int, int], side: int, shift: int) -> None:
        self.grid, self.side = grid, side
        before = -shift % side
        self.pad = [before, -(grid[0] + before) % side]
        self.pad += [before, -(grid[1] + before) % side]
        top, bottom, left, right = self.pad
        self.counts = (
            (grid[0] + top + bottom) // side,
            (grid[1] + left + right) // side,
        )

    def cut(self, tokens: Tensor) -> Tensor:
        """(B, L, C) -> (B n, w * w, C)."""
        top, bottom, left, right = self.pad
        x = tokens.unflatten(1, self.grid)
        x = F.pad(x, (0, 0, left, right, top, bottom))
        rows, columns = self.counts
        x = x.unflatten(1, (rows, self.side)).unflatten(3, (columns, -1))
        return x.transpose(2, 3).flatten(0, 2).flatten(1, 2)

    def join(self, windows: Tensor) -> Tensor:
        """(B n, w * w, C) -> (B, L, C)."""
        rows, columns = self.counts
        x = windows.unflatten(1, (self.side, self.side))
        x = x.unflatten(0, (-1, rows, columns)).transpose(2, 3)
        x = x.flatten(3, 4).flatten(1, 2)
        top, _, left, _ = self.pad
        height, width = self.grid
        x = x[:, top : top + height, left : left + width]
        return x.flatten(1, 2)

    def hide_padding(self, like: Tensor) -> Tensor:
        """(n, 1, 1, w * w): minus infinity where a window is padding."""
        ones = like.new_ones(1, self.grid[0] * self.grid[1], 1)
        real = self.cut(ones)[:, None, None, :, 0]
        return torch.zeros_like(real).masked_fill(real == 0, -torch.inf)


class DenseBlock(nn.Module):
    """``x + attention(norm1(x))``, then ``x + mlp(norm2(x))``.

    Args:
        attention: Its attention layer.
        channels: C.
        ratio: Hidden width of the MLP over C.
        eps: Of the LayerNorms.
        layer_scale: Whether each branch is multiplied by a learned vector.
    """

    def __init__(
        self,
        attention: DenseAttention,
        channels: int,
        ratio: float = 4.0,
        eps: float = 1e-6,
        layer_scale: bool = False,
    ) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.norm1 = nn.LayerNorm(channels, eps=eps)
        self.attn = attention
        self.norm2 = nn.LayerNorm(channels, eps=eps)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(channels, hidden),
                act=nn.GELU(),
                fc2=nn.Linear(hidden, channels),
            )
        )
        self.gamma_1 = self.gamma_2 = None
        if layer_scale:
            self.gamma_1 = nn.Parameter(torch.ones(channels))
            self.gamma_2 = nn.Parameter(torch.ones(channels))

    def forward(
        self,
        tokens: Tensor,
        bias: Tensor | None = None,
        grid: tuple[int, int] | None = None,
        windows: Windows | None = None,
    ) -> Tensor:
        """Transform (B, L, C), inside ``windows`` if there are any."""
        x = self.norm1(tokens)
        if windows is None:
            x = self.attn(x, bias, grid)
        else:
            side = (windows.side, windows.side)
            x = windows.join(self.attn(windows.cut(x), bias, side))
        tokens = tokens + (x if self.gamma_1 is None else self.gamma_1 * x)
        x = self.mlp(self.norm2(tokens))
        return tokens + (x if self.gamma_2 is None else self.gamma_2 * x)
