"""Reconstruction loss on masked patches, for images of any aspect.

Legend: B batch, H W patch grid, L = H * W patches, p pixels a side, C image
channels.
"""

from __future__ import annotations

from mmpretrain.models.heads import MAEPretrainHead
from torch import Tensor

from convmae_mm.arguments import CONFIG, FLAG, one_of, takes
from convmae_mm.errors import DataError
from convmae_mm.models.building import explaining
from convmae_mm.registry import MODELS
from convmae_mm.variants import CHANNELS, PATCH_SIZE


@MODELS.register_module()
class ConvMAEPretrainHead(MAEPretrainHead):
    """mmpretrain's MAE head, also for images that are not square.

    Args:
        loss: Config of the loss module.
        norm_pix: Whether the target is normalised inside each patch.
        patch_size: p; ConvMAE's encoder has 16.
        in_channels: C.

    Raises:
        ConfigError: For wrong settings.
    """

    @takes(
        loss=CONFIG,
        norm_pix=FLAG,
        patch_size=one_of(PATCH_SIZE),
        in_channels=CHANNELS,
    )
    def __init__(
        self,
        loss: dict,
        norm_pix: bool = True,
        patch_size: int = PATCH_SIZE,
        in_channels: int = 3,
    ) -> None:
        with explaining('loss'):
            super().__init__(
                # mmpretrain's losses, whatever the process's scope is
                loss={'_scope_': 'mmpretrain', **loss},
                norm_pix=norm_pix,
                patch_size=patch_size,
                in_channels=in_channels,
            )

    def patchify(self, imgs: Tensor) -> Tensor:
        """(B, C, p H, p W) -> (B, L, p * p * C), by row, column, channel.

        Raises:
            DataError: If the images are no multiple of p.
        """
        p = self.patch_size
        batch, channels, height, width = imgs.shape
        if height % p or width % p:
            raise DataError(
                f'images of {height} x {width} pixels must be a multiple of '
                f'patch_size={p} in both directions'
            )
        x = imgs.reshape(batch, channels, height // p, p, width // p, p)
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)

    def unpatchify(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """(B, L, p * p * C) -> (B, C, p H, p W), for ``grid`` = (H, W)."""
        p = self.patch_size
        height, width = grid
        x = x.reshape(len(x), height, width, p, p, self.in_channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(
            len(x), self.in_channels, height * p, width * p
        )

    def loss(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error on the masked patches.

        Args:
            pred: (B, L, p * p * C).
            target: Images (B, C, p H, p W).
            mask: bool (B, L), True = masked.
        """
        # mmpretrain's loss modules multiply by the mask: numbers wanted
        return super().loss(pred, target, mask.to(pred.dtype))

    def restore_pixels(self, pred: Tensor, images: Tensor) -> Tensor:
        """Turn predicted patches back into images.

        With ``norm_pix`` the prediction has neither the brightness nor the
        contrast of its patch; both are taken from ``images``.

        Args:
            pred: (B, L, p * p * C).
            images: (B, C, p H, p W), what the network saw.

        Returns:
            (B, C, p H, p W), in the value range of ``images``.
        """
        if self.norm_pix:
            patches = self.patchify(images)
            mean = patches.mean(dim=-1, keepdim=True)
            # 1e-6: as in MAEPretrainHead.construct_target
            std = (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt()
            pred = pred * std + mean
        p = self.patch_size
        return self.unpatchify(
            pred, (images.shape[2] // p, images.shape[3] // p)
        )
