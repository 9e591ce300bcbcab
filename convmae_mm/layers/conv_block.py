"""Patch embedding and convolution block of stages 1 and 2.

All maps are channels-last: (B, h, w, C), the map of a whole image, or, in
pretraining, (B, V, k, k, C), the little maps of the visible patches. Only the
depthwise convolution has to know which.
"""

from __future__ import annotations

from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from convmae_mm.ops.masked_convolution import convolve_visible
from convmae_mm.ops.patches import project_patches

from .mlp import build_mlp

DEPTHWISE_MARGIN = 2  # cells that the depthwise kernel reaches to each side


class PatchConv(nn.Conv2d):
    """Convolution of channels-last maps with kernel = stride.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        stride: Kernel size and stride, in cells of the input map.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__(in_channels, out_channels, stride, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(..., h, w, C) -> (..., h / stride, w / stride, out_channels)."""
        return project_patches(maps, self.weight, self.bias)


class DepthwiseConv(nn.Conv2d):
    """The 5 x 5 depthwise convolution of channels-last maps.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            channels,
            channels,
            kernel_size=2 * DEPTHWISE_MARGIN + 1,
            padding=DEPTHWISE_MARGIN,
            groups=channels,
        )

    def forward(
        self, maps: Tensor, surroundings: Tensor | None = None
    ) -> Tensor:
        """See :meth:`MaskedConvBlock.forward`."""
        if surroundings is None:
            x_bchw = super().forward(maps.permute(0, 3, 1, 2))
            return x_bchw.permute(0, 2, 3, 1)
        assert self.bias is not None
        return convolve_visible(maps, self.weight, self.bias, surroundings)


class ConvPatchEmbed(nn.Module):
    """A :class:`PatchConv`, whose arguments it has, LayerNorm and GELU."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.proj = PatchConv(in_channels, out_channels, stride)
        # eps 1e-5: released weights were trained with LayerNorm's default
        self.norm = nn.LayerNorm(out_channels, eps=1e-5)
        self.act = nn.GELU()

    def forward(self, maps: Tensor) -> Tensor:
        """(..., h, w, in_channels) -> (..., h / stride, w / stride, C)."""
        return self.act(self.norm(self.proj(maps)))


class MaskedConvBlock(nn.Module):
    """``x + conv2(depthwise(mask * conv1(norm1(x))))``, then an MLP.

    The mask never appears as a tensor: masked positions are not stored, and
    the depthwise convolution reads zeros in their place. Its bias reaches
    visible positions only, as in the released code, where what masked
    positions hold is thrown away.

    Args:
        channels: C.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Probability that a residual branch is dropped.
        norm_eps: LayerNorm's eps; 1e-5 in all released networks but one.
    """

    def __init__(
        self,
        channels: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=norm_eps)
        self.conv1 = nn.Linear(channels, channels)
        self.depthwise = DepthwiseConv(channels)
        self.conv2 = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels, eps=norm_eps)
        self.mlp = build_mlp(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(
        self, maps: Tensor, surroundings: Tensor | None = None
    ) -> Tensor:
        """Transform maps of any size.

        Args:
            maps: (B, h, w, C), or (B, V, k, k, C) with ``surroundings``.
            surroundings: (B, V, k + 4, k + 4), what the convolution sees of
                each visible patch and around it; from
                :func:`~convmae_mm.ops.masked_convolution.locate_surroundings`.
        """
        mixed = self.depthwise(self.conv1(self.norm1(maps)), surroundings)
        maps = maps + self.drop_path(self.conv2(mixed))
        return maps + self.drop_path(self.mlp(self.norm2(maps)))
