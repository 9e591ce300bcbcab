"""From E3 to one vector per image, as the released classifiers do."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from convmae_mm.registry import MODELS


@MODELS.register_module()
class ConvMAEClassifierNeck(BaseModule):
    """Mean over all positions of the last map, then LayerNorm.

    For mmpretrain's ``ImageClassifier`` with a backbone that has
    ``out_indices=(2,)``. The released classifiers call the norm ``fc_norm``.

    Args:
        in_channels: Channels of the map.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self, in_channels: int, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        # eps 1e-6: as the released classifiers were trained
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor]:
        """(..., (B, C, H, W)) -> ((B, C),)."""
        return (self.norm(maps[-1].mean(dim=(2, 3))),)
