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

from convmae_mm.arguments import FLAG, INIT_CFG, each, takes, whole
from convmae_mm.errors import ConfigError
from convmae_mm.layers import (
    DEPTHWISE_MARGIN,
    ConvPatchEmbed,
    DecomposedRelativePosition,
    MaskedConvBlock,
    RelativePositionBias,
    TransformerBlock,
)
from convmae_mm.ops.masked_convolution import locate_surroundings
from convmae_mm.ops.patches import (
    crop_to_picture,
    gather_patches,
    pad_to_patches,
    resolve_grid,
)
from convmae_mm.ops.positions import (
    build_sincos_positions,
    fit_positions,
    resize_positions,
)
from convmae_mm.registry import MODELS
from convmae_mm.variants import (
    CHANNELS,
    IMG_SIZE,
    PATCH_SIZE,
    RATE,
    STAGE1_CELLS,
    STAGE2_CELLS,
    STRIDES,
    Arch,
    LastMap,
    RelativePosition,
    resolve_arch,
    resolve_mode,
    resolve_out_indices,
    resolve_recomputed_stages,
)

from .feature_info import FeatureInfo
from .inputs import check_images, check_visible
from .stage3 import plan_blocks

# torch.fx keeps these as they are: they look at sizes. torchvision's
# create_feature_extractor can then trace the mode 'plain'.
for _by_size in (
    check_images,
    pad_to_patches,
    crop_to_picture,
    resize_positions,
):
    torch.fx.wrap(_by_size)


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

    ``forward`` takes images of any height and width: they are padded with
    zeros on the right and at the bottom to a multiple of 16, and each map is
    cropped to what the picture covers: its height and width are those of the
    picture divided by the stride, 4, 8, 16 or 32, rounded up; but see
    ``forward`` for the E4 of mode 'seg'.

    Args:
        arch: 'small', 'base', 'large', 'huge', or a dict with ``embed_dims``,
            ``depths``, ``num_heads`` and optionally ``mlp_ratios``.
        mode: A row of ``mode_zoo``: 'plain' (pretraining, classification,
            segmentation), 'detection' (the paper's: blocks 1, 4, 7 and 11 of
            stage 3, counted from 1, attend in 7 x 7 windows), or what the
            authors released: 'mimdet' and 'vitdet' for detection, 'seg' for
            segmentation.
        img_size: Size in pixels, a number or (height, width), that tables
            of positions are stored for; other inputs, and tables of a
            checkpoint for another size, are interpolated.
        pretrain_img_size: The same for the absolute position embedding
            alone, if it is to keep the size it was pretrained at and be
            interpolated in every forward pass.
        in_channels: Channels of the input.
        window_size: Side of a window in tokens, instead of the mode's own.
        window_block_indexes: 0-based stage-3 blocks with window attention,
            instead of the mode's own; for other depths than 11.
        out_indices: Which of E1..E4 to return, one number or several: 0..3,
            or -1, -2, ... from the last. By default all that the mode has,
            and E3 alone in 'vitdet'.
        drop_path_rate: Stochastic depth of the last block; grows linearly
            from 0 at the first.
        frozen_stages: -1 trains everything, 0 freezes the first patch
            embedding, k = 1..3 stages 1..k with their patch embeddings; 3
            also freezes the position tables, but not the E4 of 'seg'.
        with_cp: Recompute blocks in the backward pass to save memory: those
            of all stages, or of the stages named, such as (1, 2). Stages 1
            and 2 hold most of the memory and a third of the work.
        init_cfg: mmengine's initialisation config.

    Attributes:
        feature_info: Channels and strides of the maps returned, as in timm.

    Raises:
        ConfigError: For unknown, wrong or contradictory settings.
    """

    @takes(
        img_size=IMG_SIZE,
        pretrain_img_size=IMG_SIZE,
        in_channels=CHANNELS,
        window_size=whole(1, 512),
        window_block_indexes=each(whole(0, 255), least=0),
        out_indices=whole(-4, 3) | each(whole(-4, 3)),
        drop_path_rate=RATE,
        frozen_stages=whole(-1, 3),
        with_cp=FLAG | each(whole(1, 3)),
        init_cfg=INIT_CFG,
    )
    def __init__(
        self,
        arch: str | Mapping | Arch = 'base',
        mode: str = 'plain',
        img_size: int | Sequence[int] = 224,
        pretrain_img_size: int | Sequence[int] | None = None,
        in_channels: int = 3,
        window_size: int | None = None,
        window_block_indexes: Sequence[int] | None = None,
        out_indices: int | Sequence[int] | None = None,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool | Sequence[int] = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.arch = resolve_arch(arch)
        self.mode = mode
        self.settings = resolve_mode(
            mode, self.arch.depths[2], window_size, window_block_indexes
        )
        self.window_block_indexes = self.settings.window_block_indexes
        self.grid = resolve_grid(img_size)
        self.pos_embed_grid = resolve_grid(pretrain_img_size or img_size)
        self.in_channels = in_channels
        self.out_indices = resolve_out_indices(self.settings, out_indices)
        self.feature_info = FeatureInfo(
            (*self.arch.embed_dims, self.arch.embed_dims[2]), self.out_indices
        )
        self.frozen_stages = frozen_stages
        self.recomputed_stages = resolve_recomputed_stages(with_cp)
        self._build_stages(drop_path_rate)
        self._build_positions()
        self._build_last_map()
        self._init_as_released()
        self._freeze_stages()

    def _build_stages(self, drop_path_rate: float) -> None:
        dims, depths = self.arch.embed_dims, self.arch.depths
        rates = np.linspace(0, drop_path_rate, sum(depths)).tolist()
        rates1, rates2 = rates[: depths[0]], rates[depths[0] : -depths[2]]
        self.patch_embed1 = ConvPatchEmbed(self.in_channels, dims[0], 4)
        self.blocks1 = self._build_conv_blocks(0, rates1)
        self.patch_embed2 = ConvPatchEmbed(dims[0], dims[1], 2)
        self.blocks2 = self._build_conv_blocks(1, rates2)
        self.patch_embed3 = ConvPatchEmbed(dims[1], dims[2], 2)
        self.patch_embed4 = nn.Linear(dims[2], dims[2])
        self.blocks3 = nn.ModuleList(
            TransformerBlock(
                dims[2],
                self.arch.num_heads,
                self.arch.mlp_ratios[2],
                rate,
                rel_pos=self._build_block_positions(index),
                layer_scale=self.settings.layer_scale,
                norm_eps=self.settings.attention_norm_eps,
            )
            for index, rate in enumerate(rates[-depths[2] :])
        )

    def _build_conv_blocks(
        self, stage: int, rates: Sequence[float]
    ) -> nn.ModuleList:
        channels, ratio = (
            self.arch.embed_dims[stage],
            self.arch.mlp_ratios[stage],
        )
        eps = self.settings.conv_norm_eps
        return nn.ModuleList(
            MaskedConvBlock(channels, ratio, rate, eps) for rate in rates
        )

    def _build_block_positions(
        self, index: int
    ) -> RelativePositionBias | DecomposedRelativePosition | None:
        """The relative positions that stage-3 block ``index`` has alone."""
        kind, heads = self.settings.relative_position, self.arch.num_heads
        grid = self.grid
        if index in self.window_block_indexes:
            grid = (self.settings.window_size, self.settings.window_size)
        if kind is RelativePosition.PER_BLOCK:
            return RelativePositionBias(grid, heads)
        if kind is RelativePosition.DECOMPOSED:
            channels = self.arch.embed_dims[2] // heads
            return DecomposedRelativePosition(grid, channels)
        return None

    def _build_positions(self) -> None:
        """Positions that all blocks share."""
        channels, heads = self.arch.embed_dims[2], self.arch.num_heads
        height, width = self.pos_embed_grid
        self.pos_embed = nn.Parameter(torch.zeros(1, height * width, channels))
        self.window_rel_pos: RelativePositionBias | None = None
        self.global_rel_pos: RelativePositionBias | None = None
        if self.settings.relative_position is not RelativePosition.SHARED:
            return
        side = self.settings.window_size
        if self.window_block_indexes:
            self.window_rel_pos = RelativePositionBias((side, side), heads)
        if len(self.window_block_indexes) < self.arch.depths[2]:
            self.global_rel_pos = RelativePositionBias(self.grid, heads)

    def _build_last_map(self) -> None:
        """How E4 comes from E3, if it is asked for and learned."""
        if self.settings.last_map is LastMap.CONVOLUTION:
            if 3 in self.out_indices:
                channels = self.arch.embed_dims[2]
                self.downsample = nn.Sequential(
                    nn.Conv2d(channels, channels, kernel_size=3, stride=2),
                    nn.BatchNorm2d(channels),
                    nn.GELU(),
                )

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
        positions = build_sincos_positions(self.pos_embed_grid, channels)
        self.pos_embed.data.copy_(positions)
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
            ``out_indices`` names, sizes rounded up. Cell (i, j) of a map of
            stride s covers the pixels from (s i, s j) on. The E4 of 'seg',
            whose released convolution does not pad, has
            floor((H - 1) / 2) x floor((W - 1) / 2) cells for an E3 of H x W,
            at least one.
        """
        check_images(images, self.in_channels)
        x = pad_to_patches(images).permute(0, 2, 3, 1)
        e1 = self._run(1, self.blocks1, self.patch_embed1(x))
        e2 = self._run(2, self.blocks2, self.patch_embed2(e1))
        e3 = self._attend(self.patch_embed4(self.patch_embed3(e2)))
        maps = [x_bhwc.permute(0, 3, 1, 2) for x_bhwc in (e1, e2, e3)]
        if 3 in self.out_indices:
            maps.append(self._shrink(maps[2]))
        return tuple(
            crop_to_picture(maps[index], images, STRIDES[index])
            for index in self.out_indices
        )

    def forward_visible(
        self, images: Tensor, ids_keep: Tensor
    ) -> VisibleFeatures:
        """Encode the visible patches only, for pretraining.

        Args:
            images: (B, in_channels, 16 H, 16 W).
            ids_keep: (M B, V), indices of the visible patches in the H x W
                grid, row by row. Row r belongs to image r % B: with M
                masks of each image, the first B rows are the first masks.

        Returns:
            Features of the M B masked images.

        Raises:
            ConfigError: In another mode than 'plain', and for wrong shapes.
        """
        self.check_maskable()
        check_images(images, self.in_channels)
        grid = check_visible(images, ids_keep)
        around1, around2 = (
            locate_surroundings(ids_keep, grid, cells, DEPTHWISE_MARGIN)
            for cells in (STAGE1_CELLS, STAGE2_CELLS)
        )
        x = gather_patches(images.permute(0, 2, 3, 1), ids_keep, PATCH_SIZE)
        e1 = self._run(1, self.blocks1, self.patch_embed1(x), around1)
        e2 = self._run(2, self.blocks2, self.patch_embed2(e1), around2)
        tokens = self.patch_embed3(e2).flatten(2, 4)  # (B, V, C3)
        positions = self._positions(grid)[0][ids_keep]
        tokens = self.patch_embed4(tokens) + positions
        return VisibleFeatures(e1, e2, self._run(3, self.blocks3, tokens))

    def check_maskable(self) -> None:
        """Refuse masked images in another mode than 'plain'."""
        if self.mode != 'plain':
            raise ConfigError(
                f'mode={self.mode!r} cannot encode masked images: pretrain in '
                "mode='plain' and load the weights into this mode afterwards"
            )

    def _attend(self, x_bhwc: Tensor) -> Tensor:
        """Stage 3 on a whole map, (B, H, W, C3) in and out."""
        grid = (x_bhwc.shape[1], x_bhwc.shape[2])
        tokens = x_bhwc.flatten(1, 2) + self._positions(grid)
        plans = plan_blocks(
            self.settings,
            len(self.blocks3),
            tokens,
            grid,
            self.window_rel_pos,
            self.global_rel_pos,
        )
        for block, (windows, bias) in zip(self.blocks3, plans, strict=True):
            tokens = self._call(3, block, tokens, grid, windows, bias)
        return tokens.unflatten(1, grid)

    def _shrink(self, e3: Tensor) -> Tensor:
        """E4 from E3 (B, C3, H, W)."""
        if self.settings.last_map is LastMap.MAX_POOL:
            # ceil_mode: pooling drops no row of an odd grid
            return F.max_pool2d(e3, 2, ceil_mode=True)
        # Images below 48 pixels have fewer cells than the kernel.
        missing = [max(0, 3 - side) for side in e3.shape[2:]]
        return self.downsample(F.pad(e3, (0, missing[1], 0, missing[0])))

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        return resize_positions(self.pos_embed, self.pos_embed_grid, grid)

    def _run(
        self, stage: int, blocks: nn.ModuleList, x: Tensor, *args: Any
    ) -> Tensor:
        for block in blocks:
            x = self._call(stage, block, x, *args)
        return x

    def _call(
        self, stage: int, block: Callable[..., Tensor], *args: Any
    ) -> Tensor:
        if stage in self.recomputed_stages and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)

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
            state_dict[key] = fit_positions(
                state_dict[key], self.pos_embed_grid
            )
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
