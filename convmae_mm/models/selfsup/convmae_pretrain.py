"""ConvMAE pretraining: mask, encode, fuse, decode, compare.

Legend: B batch, H W patch grid, L = H * W patches, V visible patches, C
channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from torch import Tensor, nn

from convmae_mm.arguments import INIT_CFG, takes, whole
from convmae_mm.errors import ConfigError, DataError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.models.building import PART, build_part, explaining
from convmae_mm.ops.masking import PatchMask, count_visible, mask_from_noise
from convmae_mm.ops.patches import patch_grid
from convmae_mm.registry import MODELS
from convmae_mm.variants import PATCH_SIZE, RATE


@dataclass(frozen=True)
class MaskedOutput:
    """What one masked pass computes.

    N = M B rows for B images with M masks each: row r belongs to image
    r % B. With one mask, N = B.

    Attributes:
        latent: (N, V, C), the fused visible tokens after the norm, in the
            order of ``ids_keep``.
        pred: (N, L, 768), predicted patches.
        mask: bool (N, L), True = masked.
        ids_restore: (B, L), the rank of each patch's noise: mask m shows the
            patches of the ranks m V to (m + 1) V - 1.
        loss: Scalar, the mean over all masks; nan if nothing is masked.
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
        neck: Config of the :class:`ConvMAEPretrainDecoder`. Widths,
            ``img_size`` and channels of the images are the backbone's unless
            stated.
        head: Config of the :class:`ConvMAEPretrainHead`.
        mask_ratio: Share of masked patches, at least 0 and below 1.
        num_masks: Complementary masks of each image in one step. 4 at a mask
            ratio of 0.75 is the authors' FastConvMAE: every patch is visible
            in one of the four, and is cut out and embedded once.
        data_preprocessor: Config of the data preprocessor, by default
            mmpretrain's ``SelfSupDataPreprocessor``.
        init_cfg: mmengine's initialisation config.

    Raises:
        ConfigError: For wrong settings, and parts that do not fit together.
    """

    @takes(
        backbone=PART,
        neck=PART,
        head=PART,
        mask_ratio=RATE,
        num_masks=whole(1, 64),
        data_preprocessor=PART,
        init_cfg=INIT_CFG,
    )
    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        mask_ratio: float = 0.75,
        num_masks: int = 1,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if num_masks * (1 - mask_ratio) > 1 + 1e-9 and num_masks > 1:
            raise ConfigError(
                f'{num_masks=} must be at least 1 and, at {mask_ratio=}, at '
                f'most {int(1 / (1 - mask_ratio) + 1e-9)}: complementary '
                'masks share no visible patch'
            )
        encoder = build_part('backbone', backbone)
        if not isinstance(encoder, ConvMAE):
            raise ConfigError(
                f'backbone={type(encoder).__name__} cannot encode masked '
                "images: give type='convmae_mm.ConvMAE'"
            )
        encoder.check_maskable()
        side = PATCH_SIZE * encoder.grid[0], PATCH_SIZE * encoder.grid[1]
        decoder = build_part(
            'neck',
            neck,
            in_channels=encoder.arch.embed_dims,
            img_size=side,
            out_channels=encoder.in_channels,
        )
        loss = build_part('head', head, in_channels=encoder.in_channels)
        with explaining('data_preprocessor'):
            super().__init__(
                backbone=encoder,
                neck=decoder,
                head=loss,
                data_preprocessor=_scoped_preprocessor(data_preprocessor),
                init_cfg=init_cfg,
            )
        self._check_parts()
        self.mask_ratio = mask_ratio
        self.num_masks = num_masks
        self.backbone.init_for_pretraining()

    def _check_parts(self) -> None:
        """Refuse a neck or head for other widths or channels.

        Raises:
            ConfigError: With the numbers of both.
        """
        channels = self.backbone.in_channels
        facts = {
            'neck.in_channels': (
                tuple(self.neck.in_channels),
                self.backbone.arch.embed_dims,
            ),
            'neck.out_channels': (self.neck.out_channels, channels),
            'head.in_channels': (self.head.in_channels, channels),
        }
        for name, (stated, right) in facts.items():
            if stated != right:
                raise ConfigError(
                    f'{name}={stated} must be {right}, as the backbone is; '
                    'leave it out and it is taken from there'
                )

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of whole images, see :meth:`ConvMAE.forward`."""
        return self.backbone(inputs)

    def loss(
        self, inputs: Tensor, data_samples: list | None = None
    ) -> dict[str, Tensor]:
        """The training loss of images (B, C, h, w); samples have no labels.

        Raises:
            ConfigError: If ``mask_ratio`` masks nothing.
        """
        output = self.run_masked(inputs)
        if not output.mask.any():
            raise ConfigError(
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
            DataError: For images or noise of a wrong shape.
        """
        return self._run(images, noise, self.num_masks)

    def _run(
        self, images: Tensor, noise: Tensor | None, num_masks: int
    ) -> MaskedOutput:
        grid = patch_grid(images)
        patches = self._draw_masks(images, grid, noise, num_masks)
        features = self.backbone.forward_visible(images, patches.ids_keep)
        latent = self.neck.fuse(features)
        pred = self.neck(latent, patches.ids_restore, grid)
        targets = images.repeat(num_masks, 1, 1, 1)
        return MaskedOutput(
            latent=latent,
            pred=pred,
            mask=patches.mask,
            ids_restore=patches.ids_restore[: len(images)],
            loss=self.head.loss(pred, targets, patches.mask),
        )

    @torch.no_grad()
    def reconstruct(
        self, images: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Predict the whole picture from the patches of one mask.

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
        output = self._run(images, noise, num_masks=1)
        reconstructed = self.head.restore_pixels(output.pred, images)
        pixel_mask = self._enlarge_mask(output.mask, patch_grid(images))
        return ReconstructionPanels(
            original=images,
            masked=images.masked_fill(pixel_mask, 0),
            reconstructed=reconstructed,
            pasted=torch.where(pixel_mask, reconstructed, images),
            mask=output.mask,
        )

    def _draw_masks(
        self,
        images: Tensor,
        grid: tuple[int, int],
        noise: Tensor | None,
        num_masks: int,
    ) -> PatchMask:
        shape = (len(images), grid[0] * grid[1])
        if noise is None:
            noise = torch.rand(shape, device=images.device)
        elif noise.shape != shape:
            raise DataError(
                f'noise of shape {tuple(noise.shape)} must be {shape}: one '
                f'number for each patch of {grid[0]} x {grid[1]}'
            )
        num_visible = count_visible(shape[1], self.mask_ratio)
        return mask_from_noise(noise, num_visible, num_masks)

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
