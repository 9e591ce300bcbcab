"""A learned factor for each channel of a residual branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """Multiply each channel of (..., C) by its own learned factor.

    Touvron et al., "Going deeper with Image Transformers", ICCV 2021.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # one, as released: a fresh scale changes no feature
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
