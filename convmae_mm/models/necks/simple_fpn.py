"""The simple feature pyramid of ViTDet, from one map.

Li et al., "Exploring Plain Vision Transformer Backbones for Object
Detection", ECCV 2022, https://arxiv.org/abs/2203.16527.
"""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from convmae_mm.layers.channel_norm import ChannelLayerNorm
from convmae_mm.registry import MODELS

# The layers know no registry; mmcv finds the norm under this name.
MODELS.register_module('LN2d', module=ChannelLayerNorm)

NUM_SCALES = 4  # 4, 2, 1 and 1/2 times the grid of the input


@MODELS.register_module()
class SimpleFPN(BaseModule):
    """Pyramid of the strides 4, 8, 16, 32 and on, from a map of stride 16.

    Each level resizes the last map on its own, without a top-down path:
    transposed convolutions make it four and two times as large, max-pooling
    half as large. A 1x1 and a 3x3 convolution follow, each with LayerNorm
    over the channels and no activation. Levels beyond the fourth take every
    second position of the one before.

    For a backbone with ``out_indices=(2,)``. The half-size level drops the
    last row and column of an odd grid, as detectron2 does, so a map has at
    least two of each.

    Args:
        in_channels: Channels of the map; a multiple of 4.
        out_channels: Channels of every level.
        num_outs: Number of levels, at least 4.
        eps: Of the LayerNorms.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For fewer than four levels and odd channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_outs: int = 5,
        # eps 1e-6: as the released detector was trained
        eps: float = 1e-6,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_outs < NUM_SCALES:
            raise ValueError(f'{num_outs=} must be at least {NUM_SCALES}')
        if in_channels % 4:
            raise ValueError(
                f'{in_channels=} must be a multiple of 4: two transposed '
                'convolutions halve the channels'
            )
        self.num_outs = num_outs
        half, quarter = in_channels // 2, in_channels // 4
        self.resize = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                    ChannelLayerNorm(half, eps=eps),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, 2, stride=2),
                ),
                nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(2),
            ]
        )
        channels = (quarter, half, in_channels, in_channels)
        self.lateral_convs = nn.ModuleList(
            _conv_ln(width, out_channels, 1, eps) for width in channels
        )
        self.fpn_convs = nn.ModuleList(
            _conv_ln(out_channels, out_channels, 3, eps) for _ in channels
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Make the pyramid of the last map.

        Args:
            maps: (..., (B, in_channels, H, W)).

        Returns:
            ``num_outs`` maps (B, out_channels, 4 H, 4 W), (.., 2 H, 2 W),
            (.., H, W), (.., H // 2, W // 2), (.., H // 4, W // 4), ... The
            last ones are rounded up.
        """
        levels = [
            fpn_conv(lateral_conv(resize(maps[-1])))
            for resize, lateral_conv, fpn_conv in zip(
                self.resize, self.lateral_convs, self.fpn_convs, strict=True
            )
        ]
        while len(levels) < self.num_outs:
            levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return tuple(levels)


def _conv_ln(
    in_channels: int, out_channels: int, kernel_size: int, eps: float
) -> nn.Sequential:
    """A convolution of the same size without bias, and its norm.

    The parts are called as in mmcv's ConvModule.
    """
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        padding=kernel_size // 2,
        bias=False,
    )
    norm = ChannelLayerNorm(out_channels, eps=eps)
    return nn.Sequential(OrderedDict(conv=conv, ln=norm))
