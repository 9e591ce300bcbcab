"""The dense algorithm: what ``convmae_mm`` is tested and measured against.

Stages 1 and 2 compute all positions of the image, the mask is multiplied
before the depthwise convolution, tokens are gathered after stage 2, and
attention writes its logits out: the paper's equations, and the cost of the
code that its authors released. A test shows that it computes what
``convmae_mm`` computes; see :func:`copy_weights`.

Legend: B batch, M masks, H W stage-3 grid, L = H * W tokens, V visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from dense_blocks import (
    DecomposedAttention,
    DenseAttention,
    DenseBlock,
    DenseConvBlock,
    DensePatchEmbed,
    RelativeTable,
    TableAttention,
    Windows,
)
from torch import Tensor, nn

from convmae_mm.checkpoint import export_released_state_dict
from convmae_mm.variants import (
    PATCH_SIZE,
    Arch,
    LastMap,
    Mode,
    RelativePosition,
)


class DenseConvMAE(nn.Module):
    """The encoder on whole maps.

    Args:
        arch: Widths and depths.
        mode: A row of ``mode_zoo``.
        size: (height, width) of the images, multiples of 16; no other size
            is accepted afterwards.
    """

    def __init__(self, arch: Arch, mode: Mode, size: tuple[int, int]) -> None:
        super().__init__()
        self.arch, self.mode = arch, mode
        self.grid = (size[0] // PATCH_SIZE, size[1] // PATCH_SIZE)
        c1, c2, c3 = arch.embed_dims
        self.patch_embed1 = DensePatchEmbed(3, c1, 4)
        self.patch_embed2 = DensePatchEmbed(c1, c2, 2)
        self.patch_embed3 = DensePatchEmbed(c2, c3, 2)
        self.patch_embed4 = nn.Linear(c3, c3)
        length = self.grid[0] * self.grid[1]
        self.pos_embed = nn.Parameter(torch.randn(1, length, c3) * 0.02)
        self.blocks1, self.blocks2 = (
            nn.ModuleList(
                DenseConvBlock(channels, ratio, mode.conv_norm_eps)
                for _ in range(depth)
            )
            for channels, ratio, depth in zip(
                (c1, c2), arch.mlp_ratios[:2], arch.depths[:2], strict=True
            )
        )
        self.blocks3 = nn.ModuleList(
            DenseBlock(
                self._build_attention(index),
                c3,
                arch.mlp_ratios[2],
                mode.attention_norm_eps,
                mode.layer_scale,
            )
            for index in range(arch.depths[2])
        )
        self._build_shared_tables()
        if mode.last_map is LastMap.CONVOLUTION:
            self.fpn = nn.Sequential(
                nn.Conv2d(c3, c3, 3, 2), nn.BatchNorm2d(c3), nn.GELU()
            )

    def _build_attention(self, index: int) -> DenseAttention:
        channels, heads = self.arch.embed_dims[2], self.arch.num_heads
        grid, side = self.grid, self.mode.window_size
        if index in self.mode.window_block_indexes:
            grid = (side, side)
        if self.mode.relative_position is RelativePosition.PER_BLOCK:
            return TableAttention(channels, heads, grid)
        if self.mode.relative_position is RelativePosition.DECOMPOSED:
            return DecomposedAttention(channels, heads, grid)
        return DenseAttention(channels, heads)

    def _build_shared_tables(self) -> None:
        side, heads = self.mode.window_size, self.arch.num_heads
        self.windowed_rel_pos_bias = self.global_rel_pos_bias = None
        if self.mode.relative_position is RelativePosition.SHARED:
            self.windowed_rel_pos_bias = RelativeTable((side, side), heads)
            self.global_rel_pos_bias = RelativeTable(self.grid, heads)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Those of E1, E2, E3 and E4 that the mode's network hands on."""
        e1, e2 = self.convolve(images)
        tokens = self.attend(self.embed(e2))
        e3 = tokens.transpose(1, 2).unflatten(2, self.grid)
        maps = [e1, e2, e3]
        if self.mode.last_map is LastMap.MAX_POOL:
            maps.append(F.max_pool2d(e3, 2, ceil_mode=True))
        elif self.mode.last_map is LastMap.CONVOLUTION:
            maps.append(self.fpn(e3))
        return tuple(maps[index] for index in self.mode.out_indices)

    def convolve(
        self, images: Tensor, visible: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Stages 1 and 2 on all positions: E1 and E2.

        Args:
            images: (B, 3, 16 H, 16 W).
            visible: (M, B, 1, H, W), 1 where each of M masks shows a patch.
        """
        shown: list[Tensor | None] = [None, None]
        if visible is not None:
            shown = [_enlarge(visible, cells) for cells in (4, 2)]
        x = self.patch_embed1(images)
        for block in self.blocks1:
            x = block(x, shown[0])
        e1, x = x, self.patch_embed2(x)
        for block in self.blocks2:
            x = block(x, shown[1])
        return e1, x

    def embed(self, e2: Tensor) -> Tensor:
        """The tokens (B, L, C3) of all patches, with their positions."""
        x = self.patch_embed3(e2).flatten(2).transpose(1, 2)
        return self.patch_embed4(x) + self.pos_embed

    def attend(self, tokens: Tensor) -> Tensor:
        """Stage 3 on whole images, (B, L, C3)."""
        turn = 0
        for index, block in enumerate(self.blocks3):
            if index not in self.mode.window_block_indexes:
                table = self.global_rel_pos_bias
                bias = None if table is None else table()
                tokens = block(tokens, bias, self.grid)
                continue
            shifts = self.mode.window_shifts
            shift = shifts[turn % len(shifts)]
            windows = Windows(self.grid, self.mode.window_size, shift)
            turn += 1
            bias = self._window_bias(windows, tokens)
            tokens = block(tokens, bias, windows=windows)
        return tokens

    def _window_bias(self, windows: Windows, tokens: Tensor) -> Tensor | None:
        """Broadcastable to (B n, heads, w * w, w * w)."""
        table = self.windowed_rel_pos_bias
        bias = None if table is None else table()
        if self.mode.padding_is_key or not any(windows.pad):
            return bias
        hidden = windows.hide_padding(tokens)
        hidden = hidden.repeat(len(tokens), 1, 1, 1)
        return hidden if bias is None else hidden + bias


@dataclass(frozen=True)
class DecoderSize:
    """Size of the pretraining decoder.

    Attributes:
        channels: Of its tokens.
        depth: Number of blocks.
        heads: Number of attention heads.
    """

    channels: int = 512
    depth: int = 8
    heads: int = 16


class DensePretrain(DenseConvMAE):
    """Masked pretraining that computes what it masks, and throws it away.

    Args:
        arch: Widths and depths of the encoder.
        mode: The row 'plain' of ``mode_zoo``.
        size: (height, width) of the images.
        decoder: Size of the decoder.
        mask_ratio: Share of masked patches.
        num_masks: M complementary masks of each image; 4 is FastConvMAE.
    """

    def __init__(
        self,
        arch: Arch,
        mode: Mode,
        size: tuple[int, int],
        decoder: DecoderSize,
        mask_ratio: float = 0.75,
        num_masks: int = 1,
    ) -> None:
        super().__init__(arch, mode, size)
        c1, c2, c3 = arch.embed_dims
        self.mask_ratio, self.num_masks = mask_ratio, num_masks
        self.stage1_output_decode = nn.Conv2d(c1, c3, 4, stride=4)
        self.stage2_output_decode = nn.Conv2d(c2, c3, 2, stride=2)
        self.norm = nn.LayerNorm(c3, eps=1e-6)
        channels, length = decoder.channels, self.grid[0] * self.grid[1]
        self.decoder_embed = nn.Linear(c3, channels)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.decoder_pos_embed = nn.Parameter(
            torch.randn(1, length, channels) * 0.02
        )
        # MAE's sine-cosine tables, which are not trained
        self.pos_embed.requires_grad_(False)
        self.decoder_pos_embed.requires_grad_(False)
        self.decoder_blocks = nn.ModuleList(
            DenseBlock(DenseAttention(channels, decoder.heads), channels)
            for _ in range(decoder.depth)
        )
        self.decoder_norm = nn.LayerNorm(channels, eps=1e-6)
        self.decoder_pred = nn.Linear(channels, PATCH_SIZE * PATCH_SIZE * 3)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mask, encode, fuse, decode and compare.

        Args:
            images: (B, 3, 16 H, 16 W).
            noise: (B, L); mask m shows the patches of rank m V and on.

        Returns:
            Predictions (M B, L, 768), row r of image r % B, and the loss.
        """
        length = noise.shape[1]
        num_visible = int(length * (1 - self.mask_ratio))
        order = noise.argsort(dim=1)
        rank = order.argsort(dim=1)
        starts = [m * num_visible for m in range(self.num_masks)]
        ids_keep = torch.cat([order[:, s : s + num_visible] for s in starts])
        ids_restore = torch.cat([(rank - s) % length for s in starts])
        masked = (ids_restore >= num_visible).to(images.dtype)  # (M B, L)
        latent = self._encode(images, ids_keep, 1 - masked)
        pred = self._decode(latent, ids_restore)
        return pred, self._loss(pred, images, masked)

    def _encode(
        self, images: Tensor, ids_keep: Tensor, shown: Tensor
    ) -> Tensor:
        """The fused tokens (M B, V, C3) of what the masks show."""
        visible = shown.reshape(self.num_masks, -1, 1, *self.grid)
        e1, e2 = self.convolve(images, visible)
        tokens, fused1, fused2 = (
            self._gather(x, ids_keep)
            for x in (
                self.embed(e2),
                self.stage1_output_decode(e1).flatten(2).transpose(1, 2),
                self.stage2_output_decode(e2).flatten(2).transpose(1, 2),
            )
        )
        for block in self.blocks3:
            tokens = block(tokens)
        return self.norm(fused1 + fused2 + tokens)

    def _gather(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """(B, L, C) -> (M B, V, C)."""
        tokens = tokens.repeat(self.num_masks, 1, 1)
        return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[2]))

    def _decode(self, latent: Tensor, ids_restore: Tensor) -> Tensor:
        x = self.decoder_embed(latent)
        missing = ids_restore.shape[1] - x.shape[1]
        masked = self.mask_token.expand(len(x), missing, -1).to(x.dtype)
        x = torch.cat([x, masked], dim=1)
        x = x.gather(1, ids_restore[..., None].expand(-1, -1, x.shape[2]))
        x = x + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))

    def _loss(self, pred: Tensor, images: Tensor, masked: Tensor) -> Tensor:
        """Squared error on the masked patches, normalised one by one."""
        x = images.unflatten(3, (-1, PATCH_SIZE)).unflatten(
            2, (-1, PATCH_SIZE)
        )
        target = x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
        mean = target.mean(dim=-1, keepdim=True)
        variance = target.var(dim=-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6) ** 0.5
        target = target.repeat(self.num_masks, 1, 1)
        errors = (pred - target).square().mean(dim=-1)
        return (errors * masked).sum() / masked.sum()


def copy_weights(ours: nn.Module, dense: DenseConvMAE) -> None:
    """Give the dense network the weights of a backbone or algorithm of ours.

    By the names that the authors released, every one of them: a tensor that
    is missing or left over raises.

    Args:
        ours: A ``ConvMAE`` or a ``ConvMAEPretrain``.
        dense: The same network, for the same size of images.
    """
    variant, prefix = 'backbone', 'backbone.'
    if isinstance(dense, DensePretrain):
        variant, prefix = 'pretrain', ''
    height, width = (PATCH_SIZE * side for side in dense.grid)
    exported = export_released_state_dict(
        {f'{prefix}{name}': x for name, x in ours.state_dict().items()},
        variant,
        img_size=(height, width),
    )
    dense.load_state_dict(exported)


def _enlarge(visible: Tensor, cells: int) -> Tensor:
    """(M, B, 1, H, W) -> (M, B, 1, cells * H, cells * W)."""
    return visible.repeat_interleave(cells, 3).repeat_interleave(cells, 4)
