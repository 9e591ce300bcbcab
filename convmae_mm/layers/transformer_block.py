"""The pre-norm transformer block of stage 3 and of the decoder."""

from __future__ import annotations

from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from convmae_mm.errors import ConfigError
from convmae_mm.ops.attention import Bias, attend
from convmae_mm.ops.windows import WindowPlan

from .layer_scale import LayerScale
from .mlp import build_mlp
from .relative_position import RelativePosition


class Attention(nn.Module):
    """Multi-head self-attention with optional relative positions.

    Args:
        channels: C.
        num_heads: Number of heads; must divide C.
        rel_pos: Relative positions of this layer alone.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        rel_pos: RelativePosition | None = None,
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ConfigError(f'{channels=} must be divisible by {num_heads=}')
        self.num_heads = num_heads
        self.scale = (channels // num_heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.rel_pos = rel_pos
        self.proj = nn.Linear(channels, channels)

    def forward(
        self,
        tokens: Tensor,
        grid: tuple[int, int] | None = None,
        bias: Bias = None,
    ) -> Tensor:
        """Attend among the tokens of each sequence.

        Args:
            tokens: (N, L, C).
            grid: (H, W) of the tokens; one row unless given.
            bias: Added to the logits, see :func:`attend`, where the layer
                has no relative positions of its own.
        """
        batch, length, channels = tokens.shape
        head_channels = channels // self.num_heads
        qkv = self.qkv(tokens).reshape(
            batch, length, 3, self.num_heads, head_channels
        )
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if self.rel_pos is not None:
            bias = self.rel_pos.relate(query, grid or (1, length))
        mixed = attend(query, key, value, self.scale, bias)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """``x + attention(norm1(x))``, then ``x + mlp(norm2(x))``.

    Args:
        channels: C.
        num_heads: Number of attention heads; must divide C.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Probability that a residual branch is dropped.
        rel_pos: Relative positions of this block alone.
        layer_scale: Whether each branch is multiplied by a learned vector.
        norm_eps: LayerNorm's eps; 1e-6 in all released networks but one.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        rel_pos: RelativePosition | None = None,
        layer_scale: bool = False,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=norm_eps)
        self.attn = Attention(channels, num_heads, rel_pos)
        self.scale1 = LayerScale(channels) if layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(channels, eps=norm_eps)
        self.mlp = build_mlp(channels, mlp_ratio)
        self.scale2 = LayerScale(channels) if layer_scale else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        tokens: Tensor,
        grid: tuple[int, int] | None = None,
        windows: WindowPlan | None = None,
        bias: Bias = None,
    ) -> Tensor:
        """Transform a sequence of tokens.

        Args:
            tokens: (B, L, C).
            grid: (H, W) of the tokens; one row unless given.
            windows: Attend inside these windows of the grid; among all
                tokens if None.
            bias: Added to the attention logits, see :class:`Attention`;
                per window when ``windows`` is given.
        """
        mixed = self._attend(self.norm1(tokens), grid, windows, bias)
        tokens = tokens + self.drop_path(self.scale1(mixed))
        mixed = self.mlp(self.norm2(tokens))
        return tokens + self.drop_path(self.scale2(mixed))

    def _attend(
        self,
        tokens: Tensor,
        grid: tuple[int, int] | None,
        windows: WindowPlan | None,
        bias: Bias,
    ) -> Tensor:
        if windows is None:
            return self.attn(tokens, grid, bias)
        mixed = self.attn(windows.partition(tokens), windows.window, bias)
        return windows.merge(mixed)
