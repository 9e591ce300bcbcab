"""The ConvMAE encoder, for pretraining and for every downstream task.

Gao et al., "MCMAE: Masked Convolution Meets Masked Autoencoders", NeurIPS
2022, https://arxiv.org/abs/2205.03892.

Legend: B batch, H W stage-3 grid, L = H * W tokens, V visible patches,
k cells along one side of a patch, C1 C2 C3 channels of the stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS as MMENGINE_MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from convmae_mm.layers import (
    ConvPatchEmbed,
    MaskedConvBlock,
    RelativePositionBias,
    TransformerBlock,
)
from convmae_mm.ops.masking import locate_visible_cells
from convmae_mm.ops.patches import (
    PATCH_SIZE,
    pad_to_patches,
    patch_grid,
    resolve_grid,
)
from convmae_mm.ops.positions import (
    build_sincos_positions,
    fit_positions,
    resize_positions,
)
from convmae_mm.ops.windows import WindowPlan, plan_windows
from convmae_mm.registry import MODELS

from .variants import Arch, resolve_arch, resolve_mode, resolve_window_blocks

STAGE1_CELLS = 4  # cells of stage 1 along one side of a patch
STAGE2_CELLS = 2


@dataclass(frozen=True)
class VisibleFeatures:
    """What the encoder makes of the visible patches.

    Attributes:
        e1: (B, V, 4, 4, C1), stage 1 inside each patch.
        e2: (B, V, 2, 2, C2).
        e3: (B, V, C3).
    """

    e1: Tensor
    e2: Tensor
    e3: Tensor


# In mmengine's own registry too, so that mmdet, mmseg and mmpretrain, which
# look a bare name up in their parents, find type='ConvMAE'.
@MMENGINE_MODELS.register_module()
@MODELS.register_module()
class ConvMAE(BaseModule):
    """Hybrid convolution-transformer encoder with four output scales.

    ``forward`` takes images of any height and width: they are padded on the
    right and at the bottom to a multiple of 16, and output k has the padded
    size divided by its stride, 4, 8, 16 or 32 (the last rounded up).

    Args:
        arch: 'small', 'base', 'large', 'huge', or a dict with ``embed_dims``,
            ``depths``, ``num_heads`` and optionally ``mlp_ratios``.
        mode: 'plain' (pretraining, classification, segmentation), or
            'detection': blocks 1, 4, 7 and 11 of stage 3 (counted from 1)
            attend in 7 x 7 windows, alternately shifted by 3, and relative
            positions bias the attention.
        img_size: Size in pixels, a number or (height, width), that position
            tables are stored for; other inputs, and tables of a checkpoint
            for another size, are interpolated.
        in_channels: Channels of the input.
        window_block_indexes: 0-based stage-3 blocks with window attention,
            instead of the mode's own; for other depths than 11.
        out_indices: Which of E1..E4 to return, 0..3.
        drop_path_rate: Stochastic depth of the last block; grows linearly
            from 0 at the first.
        frozen_stages: -1 trains everything, 0 freezes the first patch
            embedding, k = 1..3 stages 1..k with their patch embeddings; 3
            also freezes the position tables.
        with_cp: Recompute each block in the backward pass to save memory.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For unknown or contradictory settings.
    """

    def __init__(
        self,
        arch: str | Mapping | Arch = 'base',
        mode: str = 'plain',
        img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        window_block_indexes: Sequence[int] | None = None,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.arch = resolve_arch(arch)
        self.mode = mode
        self.grid = resolve_grid(img_size)
        self.in_channels = in_channels
        self.out_indices = _check_out_indices(out_indices)
        self.frozen_stages = _check_frozen_stages(frozen_stages)
        self.with_cp = with_cp
        self.window_block_indexes = resolve_window_blocks(
            mode, window_block_indexes, self.arch.depths[2]
        )
        self._build_stages(drop_path_rate)
        self._build_positions()
        self._init_as_released()
        self._freeze_stages()

    def _build_stages(self, drop_path_rate: float) -> None:
        dims, depths = self.arch.embed_dims, self.arch.depths
        ratios = self.arch.mlp_ratios
        rates = iter(np.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.patch_embed1 = ConvPatchEmbed(self.in_channels, dims[0], 4)
        self.blocks1 = nn.ModuleList(
            MaskedConvBlock(dims[0], ratios[0], next(rates))
            for _ in range(depths[0])
        )
        self.patch_embed2 = ConvPatchEmbed(dims[0], dims[1], 2)
        self.blocks2 = nn.ModuleList(
            MaskedConvBlock(dims[1], ratios[1], next(rates))
            for _ in range(depths[1])
        )
        self.patch_embed3 = ConvPatchEmbed(dims[1], dims[2], 2)
        self.patch_embed4 = nn.Linear(dims[2], dims[2])
        self.blocks3 = nn.ModuleList(
            TransformerBlock(
                dims[2], self.arch.num_heads, ratios[2], next(rates)
            )
            for _ in range(depths[2])
        )

    def _build_positions(self) -> None:
        channels, heads = self.arch.embed_dims[2], self.arch.num_heads
        height, width = self.grid
        self.pos_embed = nn.Parameter(torch.zeros(1, height * width, channels))
        self.window_rel_pos: RelativePositionBias | None = None
        self.global_rel_pos: RelativePositionBias | None = None
        mode = resolve_mode(self.mode)
        if not mode.relative_position:
            return
        if self.window_block_indexes:
            window = (mode.window_size, mode.window_size)
            self.window_rel_pos = RelativePositionBias(window, heads)
        if len(self.window_block_indexes) < self.arch.depths[2]:
            self.global_rel_pos = RelativePositionBias(self.grid, heads)

    def _init_as_released(self) -> None:
        """Draw the weights as the released classifiers and detectors do.

        Convolutions, and the projections of stages 1 and 2 that are 1x1
        convolutions there, keep PyTorch's default, which is the same for
        both; the linear layers of stage 3 are drawn from N(0, 0.02).
        """
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in (self.patch_embed4, *self.blocks3.modules()):
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def init_for_pretraining(self) -> None:
        """Draw the weights as the released pretraining does.

        The position embedding becomes MAE's fixed sine-cosine table and is
        no longer trained; linear layers of stage 3 and the third patch
        embedding are drawn Xavier-uniform.
        """
        channels = self.arch.embed_dims[2]
        self.pos_embed.data.copy_(build_sincos_positions(self.grid, channels))
        self.pos_embed.requires_grad_(False)
        nn.init.xavier_uniform_(self.patch_embed3.proj.weight.flatten(1))
        for module in (self.patch_embed4, *self.blocks3.modules()):
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode whole images.

        Args:
            images: (B, in_channels, height, width).

        Returns:
            Those of E1 (B, C1, h / 4, w / 4), E2 (B, C2, h / 8, w / 8),
            E3 (B, C3, h / 16, w / 16) and E4 (B, C3, h / 32, w / 32) that
            ``out_indices`` names, for the padded size h, w.
        """
        self._check_channels(images)
        x = pad_to_patches(images).permute(0, 2, 3, 1)
        e1 = self._run(self.blocks1, self.patch_embed1(x))
        e2 = self._run(self.blocks2, self.patch_embed2(e1))
        e3 = self._attend(self.patch_embed4(self.patch_embed3(e2)))
        maps = [x_bhwc.permute(0, 3, 1, 2) for x_bhwc in (e1, e2, e3)]
        # ceil_mode: pooling drops no row of an odd grid
        maps.append(F.max_pool2d(maps[2], 2, ceil_mode=True))
        return tuple(maps[index] for index in self.out_indices)

    def forward_visible(
        self, images: Tensor, ids_keep: Tensor
    ) -> VisibleFeatures:
        """Encode the visible patches only, for pretraining.

        Args:
            images: (B, in_channels, 16 H, 16 W).
            ids_keep: (B, V), indices of the visible patches in the H x W
                grid, row by row.
        """
        grid = self._check_masked_input(images, ids_keep)
        pixels = locate_visible_cells(ids_keep, grid, PATCH_SIZE)
        stage1 = locate_visible_cells(ids_keep, grid, STAGE1_CELLS)
        stage2 = locate_visible_cells(ids_keep, grid, STAGE2_CELLS)
        x = pixels.gather(images.permute(0, 2, 3, 1))
        e1 = self._run(self.blocks1, self.patch_embed1(x), stage1)
        e2 = self._run(self.blocks2, self.patch_embed2(e1), stage2)
        tokens = self.patch_embed3(e2).flatten(2, 4)  # (B, V, C3)
        positions = self._positions(grid)[0][ids_keep]
        tokens = self.patch_embed4(tokens) + positions
        return VisibleFeatures(e1, e2, self._run(self.blocks3, tokens))

    def _attend(self, x_bhwc: Tensor) -> Tensor:
        """Stage 3 on a whole map, (B, H, W, C3) in and out."""
        grid = (x_bhwc.shape[1], x_bhwc.shape[2])
        tokens = x_bhwc.flatten(1, 2) + self._positions(grid)
        windows = iter(self._plan_windows(grid, len(x_bhwc)))
        global_bias = self._global_bias(grid)
        for index, block in enumerate(self.blocks3):
            if index in self.window_block_indexes:
                plan, bias = next(windows)
                tokens = self._call(block, tokens, bias, plan)
            else:
                tokens = self._call(block, tokens, global_bias)
        return tokens.reshape(x_bhwc.shape)

    def _plan_windows(
        self, grid: tuple[int, int], batch: int
    ) -> list[tuple[WindowPlan, Tensor | None]]:
        """For each window block in turn, its windows and their bias."""
        if not self.window_block_indexes:
            return []
        mode = resolve_mode(self.mode)
        side = (mode.window_size, mode.window_size)
        bias = self.window_rel_pos(side) if self.window_rel_pos else None
        plans = []
        for shift in mode.window_shifts:
            plan = plan_windows(grid, mode.window_size, shift)
            mask = plan.key_mask(self.pos_embed.device)  # (n, w * w)
            logits = mask.new_zeros(mask.shape, dtype=torch.float32)
            logits = logits.masked_fill(~mask, -torch.inf)[:, None, None]
            if bias is not None:
                logits = logits + bias  # (n, heads, w * w, w * w)
            plans.append((plan, logits.repeat(batch, 1, 1, 1)))
        return [
            plans[turn % len(plans)]
            for turn in range(len(self.window_block_indexes))
        ]

    def _global_bias(self, grid: tuple[int, int]) -> Tensor | None:
        """The bias (heads, L, L) that the global blocks share."""
        if self.global_rel_pos is None:
            return None
        return self.global_rel_pos(grid)

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        return resize_positions(self.pos_embed, self.grid, grid)

    def _run(self, blocks: nn.ModuleList, x: Tensor, *args: Any) -> Tensor:
        for block in blocks:
            x = self._call(block, x, *args)
        return x

    def _call(self, block: Callable[..., Tensor], *args: Any) -> Tensor:
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)

    def _check_channels(self, images: Tensor) -> None:
        if images.dim() != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f'images of shape {tuple(images.shape)} must be (B, '
                f'{self.in_channels}, height, width); set in_channels to the '
                'channels of your images'
            )

    def _check_masked_input(
        self, images: Tensor, ids_keep: Tensor
    ) -> tuple[int, int]:
        """Check the input of ``forward_visible`` and return its grid."""
        self._check_channels(images)
        if self.mode != 'plain':
            raise ValueError(
                f'mode={self.mode!r} cannot encode masked images: pretrain in '
                "mode='plain' and load the weights into this mode afterwards"
            )
        grid = patch_grid(images)
        length = grid[0] * grid[1]
        if ids_keep.dim() != 2 or len(ids_keep) != len(images):
            raise ValueError(
                f'ids_keep of shape {tuple(ids_keep.shape)} must be '
                f'({len(images)}, V), a row for each image'
            )
        if not 1 <= ids_keep.shape[1] <= length:
            raise ValueError(
                f'{ids_keep.shape[1]} visible patches, but images of shape '
                f'{tuple(images.shape)} have 1..{length}'
            )
        return grid

    def _freeze_stages(self) -> None:
        frozen: list[nn.Module] = []
        if self.frozen_stages >= 0:
            frozen.append(self.patch_embed1)
        if self.frozen_stages >= 1:
            frozen.append(self.blocks1)
        if self.frozen_stages >= 2:
            frozen += [self.patch_embed2, self.blocks2]
        if self.frozen_stages >= 3:
            frozen += [self.patch_embed3, self.patch_embed4, self.blocks3]
            tables = (self.window_rel_pos, self.global_rel_pos)
            frozen += [table for table in tables if table is not None]
            self.pos_embed.requires_grad_(False)
        for module in frozen:
            module.eval()  # no stochastic depth either
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> ConvMAE:
        """Switch training on or off; frozen stages stay off."""
        super().train(mode)
        self._freeze_stages()
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        """Load, resizing a position embedding stored for another grid.

        mmengine's ``Pretrained`` would only log that the shapes differ and
        leave the embedding at random.
        """
        key = f'{prefix}pos_embed'
        if key in state_dict:
            state_dict[key] = fit_positions(state_dict[key], self.grid)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """The layer of a parameter, for layer-wise learning-rate decay.

        Args:
            param_name: Full name of the parameter.
            prefix: The part of the name before this backbone's own.

        Returns:
            Layer id and number of layers, as the released recipes count:
            patch embeddings, stages 1 and 2 and the position embedding are
            layer 0, stage-3 block i is layer i + 1, the rest, and what does
            not start with ``prefix``, is the last layer.
        """
        num_layers = self.arch.depths[2] + 2
        if not param_name.startswith(prefix):
            return num_layers - 1, num_layers
        stem, *rest = param_name[len(prefix) :].split('.')
        if stem.startswith('patch_embed'):
            return 0, num_layers
        if stem in ('blocks1', 'blocks2', 'pos_embed'):
            return 0, num_layers
        if stem == 'blocks3':
            return int(rest[0]) + 1, num_layers
        return num_layers - 1, num_layers


def _check_out_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    if not out_indices or not set(out_indices) <= {0, 1, 2, 3}:
        raise ValueError(
            f'{out_indices=} must name some of E1..E4 by 0, 1, 2, 3'
        )
    return tuple(out_indices)


def _check_frozen_stages(frozen_stages: int) -> int:
    if frozen_stages not in (-1, 0, 1, 2, 3):
        raise ValueError(
            f'{frozen_stages=} must be -1 (train everything) or 0..3'
        )
    return frozen_stages
