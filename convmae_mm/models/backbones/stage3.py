"""Where each block of stage 3 attends, and what biases it.

Legend: B batch, H W token grid, n windows per image, w window side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convmae_mm.layers import RelativePositionBias
from convmae_mm.ops.attention import Bias
from convmae_mm.ops.windows import WindowPlan, plan_windows
from convmae_mm.variants import Mode

BlockPlan = tuple[WindowPlan | None, Bias]


def plan_blocks(
    mode: Mode,
    depth: int,
    tokens: Tensor,
    grid: tuple[int, int],
    window_table: RelativePositionBias | None,
    global_table: RelativePositionBias | None,
) -> list[BlockPlan]:
    """Plan each block: its windows, none if it is global, and its bias.

    Args:
        mode: Names the window blocks and describes their windows.
        depth: Number of blocks.
        tokens: (B, H W, C).
        grid: (H, W).
        window_table: Relative positions that all windows share.
        global_table: Relative positions that all global blocks share.

    Returns:
        ``depth`` entries; blocks with the same windows share one bias.
    """
    everywhere = _relate(global_table, tokens, grid)
    plans: list[BlockPlan] = [(None, everywhere)] * depth
    in_turn = [
        (plan, _bias(plan, mode, tokens, window_table))
        for plan in (
            plan_windows(grid, mode.window_size, shift)
            for shift in mode.window_shifts
        )
    ]
    for turn, index in enumerate(mode.window_block_indexes):
        plans[index] = in_turn[turn % len(in_turn)]
    return plans


def _bias(
    plan: WindowPlan,
    mode: Mode,
    tokens: Tensor,
    table: RelativePositionBias | None,
) -> Bias:
    """What is added to the logits in the windows of a whole batch."""
    if mode.padding_is_key or not plan.is_padded:
        return _relate(table, tokens, plan.window)
    hidden = _hide_padding(plan, tokens.device).repeat(
        tokens.shape[0], 1, 1, 1
    )
    return hidden if table is None else hidden + table(plan.window)


def _relate(
    table: RelativePositionBias | None, tokens: Tensor, grid: tuple[int, int]
) -> Bias:
    return None if table is None else table.relate(tokens, grid)


def _hide_padding(plan: WindowPlan, device: torch.device) -> Tensor:
    """A bias (n, 1, 1, w * w): minus infinity where a key is padding."""
    mask = plan.key_mask(device)  # (n, w * w)
    logits = torch.zeros_like(mask, dtype=torch.float32)
    return logits.masked_fill(~mask, -torch.inf)[:, None, None]
