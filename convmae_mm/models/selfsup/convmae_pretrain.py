"""ConvMAE pretraining: mask, encode, fuse, decode, compare.

Legend: B batch, H W patch grid, L = H * W patches, V visible patches, C
channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from torch import Tensor, nn

from convmae_mm.ops.masking import PatchMask, count_visible, mask_from_noise
from convmae_mm.ops.patches import patch_grid
from convmae_mm.registry import MODELS


@dataclass(frozen=True)
class MaskedOutput:
    """What one masked pass computes.

    Attributes:
        latent: (B, V, C), the fused visible tokens after the norm, in the
            order of ``ids_keep``.
        pred: (B, L, 768), predicted patches.
        mask: bool (B, L), True = masked.
        ids_restore: (B, L), see :class:`convmae_mm.ops.masking.PatchMask`.
        loss: Scalar; nan if nothing is masked.
    """

    latent: Tensor
    pred: Tensor
    mask: Tensor
    ids_restore: Tensor
    loss: Tensor


@dataclass(frozen=True)
class ReconstructionPanels:
    """The four pictures of a reconstruction, all (B, C, h, w) as the input.

    Attributes:
        original: The input.
        masked: The input, zero in the masked patches.
        reconstructed: The prediction, everywhere.
        pasted: The input in the visible patches, the prediction elsewhere.
        mask: bool (B, L), True = masked.
    """

    original: Tensor
    masked: Tensor
    reconstructed: Tensor
    pasted: Tensor
    mask: Tensor


@MODELS.register_module()
class ConvMAEPretrain(BaseSelfSupervisor):
    """Masked autoencoding with the ConvMAE encoder.

    Every image loses ``mask_ratio`` of its 16 x 16 patches at random; the
    encoder computes the visible ones only, at all its scales.

    Args:
        backbone: Config of a :class:`ConvMAE` in mode 'plain'.
        neck: Config of the :class:`ConvMAEPretrainDecoder`.
        head: Config of the :class:`ConvMAEPretrainHead`.
        mask_ratio: Share of masked patches, at least 0 and below 1.
        data_preprocessor: Config of the data preprocessor, by default
            mmpretrain's ``SelfSupDataPreprocessor``.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For a mask ratio out of range.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        mask_ratio: float = 0.75,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if not 0 <= mask_ratio < 1:
            raise ValueError(f'{mask_ratio=} must be at least 0 and below 1')
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            data_preprocessor=_scoped_preprocessor(data_preprocessor),
            init_cfg=init_cfg,
        )
        self.mask_ratio = mask_ratio
        self.backbone.init_for_pretraining()

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of whole images, see :meth:`ConvMAE.forward`."""
        return self.backbone(inputs)

    def loss(
        self, inputs: Tensor, data_samples: list | None = None
    ) -> dict[str, Tensor]:
        """The training loss of images (B, C, h, w); samples have no labels.

        Raises:
            ValueError: If ``mask_ratio`` masks nothing.
        """
        output = self.run_masked(inputs)
        if not output.mask.any():
            raise ValueError(
                f'mask_ratio={self.mask_ratio} masks none of '
                f'{output.mask.shape[1]} patches: nothing to learn from'
            )
        return {'loss': output.loss}

    def run_masked(
        self, images: Tensor, noise: Tensor | None = None
    ) -> MaskedOutput:
        """Mask, encode, fuse, decode and compare.

        Args:
            images: (B, C, 16 H, 16 W), preprocessed.
            noise: (B, L), fixes the mask: the V patches with the smallest
                noise are kept. Drawn at random if None.

        Raises:
            ValueError: For images or noise of a wrong shape.
        """
        grid = patch_grid(images)
        patches = self._draw_mask(images, grid, noise)
        features = self.backbone.forward_visible(images, patches.ids_keep)
        latent = self.neck.fuse(features)
        pred = self.neck(latent, patches.ids_restore, grid)
        return MaskedOutput(
            latent=latent,
            pred=pred,
            mask=patches.mask,
            ids_restore=patches.ids_restore,
            loss=self.head.loss(pred, images, patches.mask),
        )

    @torch.no_grad()
    def reconstruct(
        self, images: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Predict the whole picture from its visible patches.

        Args:
            images: (B, C, 16 H, 16 W), preprocessed.
            noise: See :meth:`run_masked`.

        Returns:
            Pixels (B, C, 16 H, 16 W), in the value range of ``images``; with
            per-patch normalised targets, mean and contrast of each patch are
            those of ``images``.
        """
        return self.reconstruct_panels(images, noise).reconstructed

    @torch.no_grad()
    def reconstruct_panels(
        self, images: Tensor, noise: Tensor | None = None
    ) -> ReconstructionPanels:
        """Reconstruct, and lay the pictures out that show how well.

        Args:
            images: (B, C, 16 H, 16 W), preprocessed.
            noise: See :meth:`run_masked`.
        """
        output = self.run_masked(images, noise)
        reconstructed = self.head.restore_pixels(output.pred, images)
        pixel_mask = self._enlarge_mask(output.mask, patch_grid(images))
        return ReconstructionPanels(
            original=images,
            masked=images.masked_fill(pixel_mask, 0),
            reconstructed=reconstructed,
            pasted=torch.where(pixel_mask, reconstructed, images),
            mask=output.mask,
        )

    def _draw_mask(
        self, images: Tensor, grid: tuple[int, int], noise: Tensor | None
    ) -> PatchMask:
        shape = (len(images), grid[0] * grid[1])
        if noise is None:
            noise = torch.rand(shape, device=images.device)
        elif noise.shape != shape:
            raise ValueError(
                f'noise of shape {tuple(noise.shape)} must be {shape}: one '
                f'number for each patch of {grid[0]} x {grid[1]}'
            )
        return mask_from_noise(noise, count_visible(shape[1], self.mask_ratio))

    def _enlarge_mask(self, mask: Tensor, grid: tuple[int, int]) -> Tensor:
        """Enlarge a mask, bool (B, L), to pixels (B, 1, 16 H, 16 W)."""
        p = self.head.patch_size
        mask_bhw = mask.reshape(-1, 1, *grid)
        return mask_bhw.repeat_interleave(p, 2).repeat_interleave(p, 3)


def _scoped_preprocessor(
    config: dict | nn.Module | None,
) -> dict | nn.Module:
    """A copy with mmpretrain's type by default, and mmpretrain's scope.

    The base class would look the type up in the process's default scope,
    which is another one once mmdet or mmseg has built something.
    """
    if isinstance(config, nn.Module):
        return config
    defaults = dict(type='SelfSupDataPreprocessor', _scope_='mmpretrain')
    return {**defaults, **(config or {})}
