"""LayerNorm over the channels of a map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelLayerNorm(nn.LayerNorm):
    """Normalise every position of a map over its channels.

    The norm of ViTDet's pyramid and heads. mmcv builds it by its registered
    name: ``norm_cfg=dict(type='convmae_mm.LN2d', eps=1e-6)``.

    Args:
        num_channels: Channels of the map.
        eps: Added to the variance. mmcv passes 1e-5 unless ``norm_cfg`` says
            otherwise; detectron2 has 1e-6.
    """

    # mmcv calls the layer so inside its ConvModule: `conv`, `ln`.
    _abbr_ = 'ln'

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in and out."""
        x_bhwc = F.layer_norm(
            x.permute(0, 2, 3, 1),
            self.normalized_shape,
            self.weight,
            self.bias,
            self.eps,
        )
        return x_bhwc.permute(0, 3, 1, 2)
