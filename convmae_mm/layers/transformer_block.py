"""The pre-norm transformer block of stage 3 and of the decoder."""

from __future__ import annotations

import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from convmae_mm.ops.windows import WindowPlan

from .mlp import build_mlp


class Attention(nn.Module):
    """Multi-head self-attention with an optional bias on the logits.

    Args:
        channels: C.
        num_heads: Number of heads; must divide C.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'{channels=} must be divisible by {num_heads=}')
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend among the tokens of each sequence.

        Args:
            tokens: (N, L, C).
            bias: Added to the logits; broadcastable to (N, heads, L, L).
        """
        batch, length, channels = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, length, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if bias is not None:
            bias = bias.to(query.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value, bias)
        return self.proj(mixed.transpose(1, 2).reshape(tokens.shape))


class TransformerBlock(nn.Module):
    """``x + attention(norm1(x))``, then ``x + mlp(norm2(x))``.

    Args:
        channels: C.
        num_heads: Number of attention heads; must divide C.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Probability that a residual branch is dropped.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        # eps 1e-6: as the released weights were trained
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = Attention(channels, num_heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = build_mlp(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        tokens: Tensor,
        bias: Tensor | None = None,
        windows: WindowPlan | None = None,
    ) -> Tensor:
        """Transform a sequence of tokens.

        Args:
            tokens: (B, L, C).
            bias: Added to the attention logits, see :class:`Attention`;
                per window when ``windows`` is given.
            windows: Attend inside these windows of the token grid; among
                all tokens if None.
        """
        mixed = self._attend(self.norm1(tokens), bias, windows)
        tokens = tokens + self.drop_path(mixed)
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def _attend(
        self, tokens: Tensor, bias: Tensor | None, windows: WindowPlan | None
    ) -> Tensor:
        if windows is None:
            return self.attn(tokens, bias)
        return windows.merge(self.attn(windows.partition(tokens), bias))
