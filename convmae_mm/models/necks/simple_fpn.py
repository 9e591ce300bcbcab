"""The simple feature pyramid of ViTDet, from one map.

Li et al., "Exploring Plain Vision Transformer Backbones for Object
Detection", ECCV 2022, https://arxiv.org/abs/2203.16527.
"""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from convmae_mm.arguments import INIT_CFG, number, takes, whole
from convmae_mm.layers.channel_norm import ChannelLayerNorm
from convmae_mm.registry import MODELS
from convmae_mm.variants import CHANNELS

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

    For a backbone with ``out_indices=(2,)``, as detectors have it, whose
    pictures are padded to a multiple of 32. With ``(0, 1, 2)`` the larger
    maps say what the picture covers: levels are cropped to their sizes.

    Args:
        in_channels: Channels of the map; a multiple of 4.
        out_channels: Channels of every level.
        num_outs: Number of levels, at least 4.
        eps: Of the LayerNorms.
        init_cfg: mmengine's initialisation config.

    Raises:
        ConfigError: For fewer than four levels and odd channels.
    """

    @takes(
        in_channels=whole(4, 8192, multiple_of=4),
        out_channels=CHANNELS,
        num_outs=whole(NUM_SCALES, 16),
        eps=number('()', 0, 1),
        init_cfg=INIT_CFG,
    )
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
                # ceil_mode: an odd grid keeps its last row and column
                nn.MaxPool2d(2, ceil_mode=True),
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
            maps: (..., (B, in_channels, H, W)); of those before the last,
                as many as there are, only the sizes count.

        Returns:
            ``num_outs`` maps (B, out_channels, 4 H, 4 W), (.., 2 H, 2 W),
            (.., H, W), (.., H / 2, W / 2), (.., H / 4, W / 4), ... The last
            ones are rounded up, the first ones cropped to the sizes of
            ``maps``.
        """
        levels = [
            fpn_conv(lateral_conv(resize(maps[-1])))
            for resize, lateral_conv, fpn_conv in zip(
                self.resize, self.lateral_convs, self.fpn_convs, strict=True
            )
        ]
        for index, larger in enumerate(maps[:-1]):
            height, width = larger.shape[2:]
            levels[index] = levels[index][:, :, :height, :width]
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
