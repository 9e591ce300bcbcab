"""The windows of stage 3, and what biases the attention inside them.

Legend: B batch, H W token grid, n windows per image, w window side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convmae_mm.ops.windows import WindowPlan, plan_windows

from .variants import Mode


def plan_window_blocks(
    mode: Mode,
    grid: tuple[int, int],
    batch: int,
    bias: Tensor | None,
    device: torch.device,
) -> list[tuple[WindowPlan, Tensor | None]]:
    """Plan each window block: its windows, and the bias of its logits.

    Args:
        mode: Names the blocks and describes their windows.
        grid: (H, W).
        batch: B.
        bias: (heads, w * w, w * w) that all windows of all blocks share.
        device: Of the tokens.

    Returns:
        An entry for each of ``mode.window_block_indexes``; those with the
        same windows share one bias, broadcastable to
        (B n, heads, w * w, w * w).
    """
    if not mode.window_block_indexes:
        return []
    plans = []
    for shift in mode.window_shifts:
        plan = plan_windows(grid, mode.window_size, shift)
        logits = bias
        if plan.is_padded and not mode.padding_is_key:
            hidden = _hide_padding(plan, device).repeat(batch, 1, 1, 1)
            logits = hidden if bias is None else hidden + bias
        plans.append((plan, logits))
    blocks = range(len(mode.window_block_indexes))
    return [plans[turn % len(plans)] for turn in blocks]


def _hide_padding(plan: WindowPlan, device: torch.device) -> Tensor:
    """A bias (n, 1, 1, w * w): minus infinity where a key is padding."""
    mask = plan.key_mask(device)  # (n, w * w)
    logits = torch.zeros_like(mask, dtype=torch.float32)
    return logits.masked_fill(~mask, -torch.inf)[:, None, None]
