"""Random patch masks.

ConvMAE masks whole stage-3 patches (16 x 16 pixels) and enlarges the mask to
stages 1 and 2 (block-wise masking). A visible patch is therefore a little
image of its own at every stage: 16 x 16 pixels, 4 x 4 cells after patch
embedding 1, 2 x 2 after 2, one token after 3. Every layer but the depthwise
convolution acts inside one cell or one patch. So the encoder stores only the
visible patches, as ``N x V`` little maps; how these are convolved is told in
:mod:`convmae_mm.ops.masked_convolution`.

Legend: B batch, N masks, L patches of an image, V visible patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convmae_mm.errors import ConfigError


@dataclass(frozen=True)
class PatchMask:
    """Random choices of visible patches, one or more for each image.

    N = M B masks for B images with M masks each; row r belongs to image
    r % B, so that the first B rows are the first masks.

    Attributes:
        ids_keep: Indices (N, V) of the visible patches, in the order in
            which the encoder processes them.
        ids_restore: Positions (N, L): patch ``l`` is entry
            ``ids_restore[r, l]`` of the visible patches followed by the
            masked ones.
        mask: bool (N, L), True = masked.
    """

    ids_keep: Tensor
    ids_restore: Tensor
    mask: Tensor


def count_visible(num_patches: int, mask_ratio: float) -> int:
    """How many of ``num_patches`` stay visible at ``mask_ratio``.

    The product is truncated, as in MAE.

    Raises:
        ConfigError: If no patch would stay visible.
    """
    num_visible = int(num_patches * (1 - mask_ratio))
    if num_visible < 1:
        raise ConfigError(
            f'{mask_ratio=} leaves none of {num_patches} patches visible; '
            'use larger images or a smaller mask_ratio'
        )
    return num_visible


def mask_from_noise(
    noise: Tensor, num_visible: int, num_masks: int = 1
) -> PatchMask:
    """Keep the ``num_visible`` patches with the smallest noise.

    Further masks are complementary: the second keeps the patches with the
    next smallest noise, and so on. No patch is visible in two of them.

    Args:
        noise: (B, L), any real numbers.
        num_visible: V, from 1 to L.
        num_masks: M; M V must not exceed L.

    Raises:
        ConfigError: If there are not enough patches.
    """
    num_patches = noise.shape[1]
    if not 1 <= num_visible <= num_patches:
        raise ConfigError(f'{num_visible=} must lie in 1..{num_patches}')
    if not 1 <= num_masks <= num_patches // num_visible:
        raise ConfigError(
            f'{num_masks=} must lie in 1..{num_patches // num_visible}: each '
            f'shows {num_visible} of {num_patches} patches that no other '
            'shows'
        )
    ids_shuffle = noise.argsort(dim=1)
    rank = ids_shuffle.argsort(dim=1)  # (B, L)
    # Mask m begins with the patches of rank m V; the others follow in turn.
    starts = [m * num_visible for m in range(num_masks)]
    ids_restore = torch.cat([(rank - s) % num_patches for s in starts])
    ids_keep = torch.cat([ids_shuffle[:, s : s + num_visible] for s in starts])
    return PatchMask(
        ids_keep=ids_keep,
        ids_restore=ids_restore,
        mask=ids_restore >= num_visible,
    )
