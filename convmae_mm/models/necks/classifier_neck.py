"""From E3 to one vector per image, as the released classifiers do."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from convmae_mm.arguments import INIT_CFG, one_of, takes
from convmae_mm.registry import MODELS
from convmae_mm.variants import CHANNELS

POOLINGS = ('mean', 'first_token')


@MODELS.register_module()
class ConvMAEClassifierNeck(BaseModule):
    """Pool the last map over its positions, then LayerNorm.

    For mmpretrain's ``ImageClassifier`` with a backbone that has
    ``out_indices=(2,)``. The released classifiers call the norm ``fc_norm``
    when they take the mean, and ``norm`` when they take the first token.

    Args:
        in_channels: Channels of the map.
        pooling: 'mean' over all positions, or 'first_token', the top left
            position alone: what the released code does unless told to pool.
        init_cfg: mmengine's initialisation config.

    Raises:
        ConfigError: For an unknown pooling.
    """

    @takes(in_channels=CHANNELS, pooling=one_of(*POOLINGS), init_cfg=INIT_CFG)
    def __init__(
        self,
        in_channels: int,
        pooling: str = 'mean',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.pooling = pooling
        # eps 1e-6: as the released classifiers were trained
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor]:
        """(..., (B, C, H, W)) -> ((B, C),)."""
        last = maps[-1]
        if self.pooling == 'mean':
            return (self.norm(last.mean(dim=(2, 3))),)
        return (self.norm(last[:, :, 0, 0]),)
