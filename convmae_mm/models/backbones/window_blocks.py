"""The windows of stage 3, and what biases the attention inside them.

Legend: B batch, H W token grid, n windows per image, w window side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convmae_mm.layers import RelativePositionBias
from convmae_mm.ops.attention import Bias
from convmae_mm.ops.windows import WindowPlan, plan_windows
from convmae_mm.variants import Mode


def plan_window_blocks(
    mode: Mode,
    grid: tuple[int, int],
    batch: int,
    table: RelativePositionBias | None,
    device: torch.device,
) -> list[tuple[WindowPlan, Bias]]:
    """Plan each window block: its windows, and the bias of its logits.

    Args:
        mode: Names the blocks and describes their windows.
        grid: (H, W).
        batch: B.
        table: Relative positions that all windows of all blocks share.
        device: Of the tokens.

    Returns:
        An entry for each of ``mode.window_block_indexes``; those with the
        same windows share one bias, for B n sequences of w * w tokens.
    """
    if not mode.window_block_indexes:
        return []
    plans = [
        (plan, _bias(plan, mode, batch, table, device))
        for plan in (
            plan_windows(grid, mode.window_size, shift)
            for shift in mode.window_shifts
        )
    ]
    blocks = range(len(mode.window_block_indexes))
    return [plans[turn % len(plans)] for turn in blocks]


def _bias(
    plan: WindowPlan,
    mode: Mode,
    batch: int,
    table: RelativePositionBias | None,
    device: torch.device,
) -> Bias:
    """What is added to the logits in the windows of a whole batch."""
    if mode.padding_is_key or not plan.is_padded:
        return table.relate(plan.window) if table is not None else None
    hidden = _hide_padding(plan, device).repeat(batch, 1, 1, 1)
    return hidden if table is None else hidden + table(plan.window)


def _hide_padding(plan: WindowPlan, device: torch.device) -> Tensor:
    """A bias (n, 1, 1, w * w): minus infinity where a key is padding."""
    mask = plan.key_mask(device)  # (n, w * w)
    logits = torch.zeros_like(mask, dtype=torch.float32)
    return logits.masked_fill(~mask, -torch.inf)[:, None, None]
