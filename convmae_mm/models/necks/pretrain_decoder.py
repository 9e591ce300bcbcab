"""Multi-scale fusion and decoder of ConvMAE pretraining.

Legend: B batch, H W stage-3 grid, L = H * W patches, V visible patches,
C1 C2 C3 channels of the encoder's stages, D channels of the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from convmae_mm.arguments import (
    FLAG,
    INIT_CFG,
    each,
    one_of,
    takes,
    whole,
)
from convmae_mm.layers import PatchConv, TransformerBlock
from convmae_mm.models.backbones.convmae import VisibleFeatures
from convmae_mm.ops.patches import resolve_grid
from convmae_mm.ops.positions import build_sincos_positions, resize_positions
from convmae_mm.registry import MODELS
from convmae_mm.variants import (
    CHANNELS,
    DEPTH,
    HEADS,
    IMG_SIZE,
    MLP_RATIO,
    PATCH_SIZE,
)


@MODELS.register_module()
class ConvMAEPretrainDecoder(BaseModule):
    """Fuse the three scales, insert mask tokens, predict the pixels.

    ``fuse`` computes ``norm(StrideConv(E1, 4) + StrideConv(E2, 2) + E3)`` on
    the visible patches; ``forward`` decodes it.

    Args:
        in_channels: C1, C2, C3 of the encoder.
        img_size: Size in pixels, a number or (height, width), that the
            position table is stored for; other sizes get it interpolated.
        embed_dims: D.
        depth: Number of transformer blocks.
        num_heads: Attention heads; must divide D.
        mlp_ratio: Hidden width of the MLPs over D.
        patch_size: Side of a patch in pixels; the encoder's is 16.
        out_channels: Channels of the images to predict.
        with_cp: Recompute each block in the backward pass to save memory.
        init_cfg: mmengine's initialisation config.

    Raises:
        ConfigError: For settings that are wrong or contradict each other.
    """

    @takes(
        in_channels=each(CHANNELS, 3),
        img_size=IMG_SIZE,
        embed_dims=whole(4, 8192, multiple_of=4),
        depth=DEPTH,
        num_heads=HEADS,
        mlp_ratio=MLP_RATIO,
        patch_size=one_of(PATCH_SIZE),
        out_channels=CHANNELS,
        with_cp=FLAG,
        init_cfg=INIT_CFG,
    )
    def __init__(
        self,
        in_channels: Sequence[int] = (256, 384, 768),
        img_size: int | Sequence[int] = 224,
        embed_dims: int = 512,
        depth: int = 8,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        patch_size: int = PATCH_SIZE,
        out_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        c1, c2, c3 = in_channels
        self.in_channels, self.out_channels = in_channels, out_channels
        self.grid = resolve_grid(img_size)
        self.with_cp = with_cp
        self.fuse1 = PatchConv(c1, c3, stride=4)
        self.fuse2 = PatchConv(c2, c3, stride=2)
        # eps 1e-6: as the released weights were trained
        self.norm = nn.LayerNorm(c3, eps=1e-6)
        self.embed = nn.Linear(c3, embed_dims)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.pos_embed = nn.Parameter(
            build_sincos_positions(self.grid, embed_dims), requires_grad=False
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dims, num_heads, mlp_ratio)
            for _ in range(depth)
        )
        self.decoder_norm = nn.LayerNorm(embed_dims, eps=1e-6)
        self.pred = nn.Linear(embed_dims, patch_size**2 * out_channels)
        self._init_as_released()

    def _init_as_released(self) -> None:
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def fuse(self, features: VisibleFeatures) -> Tensor:
        """Fuse the visible patches of all scales: (B, V, C3), normalised."""
        e1 = self.fuse1(features.e1).flatten(2)  # (B, V, C3)
        e2 = self.fuse2(features.e2).flatten(2)
        return self.norm(e1 + e2 + features.e3)

    def forward(
        self, latent: Tensor, ids_restore: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Predict every patch from the visible ones.

        Args:
            latent: (B, V, C3), from ``fuse``.
            ids_restore: (B, L), see :class:`convmae_mm.ops.masking.PatchMask`.
            grid: (H, W).

        Returns:
            (B, L, patch_size ** 2 * out_channels); a patch's values are
            ordered by row, column, channel.
        """
        tokens = self._insert_mask_tokens(self.embed(latent), ids_restore)
        tokens = tokens + resize_positions(self.pos_embed, self.grid, grid)
        for block in self.blocks:
            if self.with_cp and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
        return self.pred(self.decoder_norm(tokens))

    def _insert_mask_tokens(
        self, visible: Tensor, ids_restore: Tensor
    ) -> Tensor:
        """(B, V, D) -> (B, L, D), every patch at its place in the image."""
        batch, num_visible, channels = visible.shape
        num_masked = ids_restore.shape[1] - num_visible
        masked = self.mask_token.expand(batch, num_masked, -1)
        tokens = torch.cat([visible, masked.to(visible.dtype)], dim=1)
        index = ids_restore[:, :, None].expand(-1, -1, channels)
        return tokens.gather(1, index)
