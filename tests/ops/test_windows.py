from __future__ import annotations

import pytest
import torch

from convmae_mm.ops.windows import plan_windows

GRIDS = [(7, 7), (16, 22), (5, 3), (21, 32), (1, 9)]


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('shift', [0, 3, 6])
def test_merge_undoes_partition(grid: tuple[int, int], shift: int) -> None:
    plan = plan_windows(grid, 7, shift)
    tokens = torch.rand(2, grid[0] * grid[1], 4)
    assert torch.equal(plan.merge(plan.partition(tokens)), tokens)


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('shift', [0, 3])
def test_windows_hold_what_the_definition_says(
    grid: tuple[int, int], shift: int
) -> None:
    """Two tokens share a window iff their floors agree; nothing wraps."""
    height, width = grid
    numbers = torch.arange(1, height * width + 1, dtype=torch.float32)
    plan = plan_windows(grid, 7, shift)
    windows = plan.partition(numbers[None, :, None]).squeeze(-1)
    actual = {
        frozenset(window[window > 0].int().tolist()) for window in windows
    }
    expected: dict[tuple[int, int], set[int]] = {}
    for i in range(height):
        for j in range(width):
            key = ((i - shift) // 7, (j - shift) // 7)
            expected.setdefault(key, set()).add(i * width + j + 1)
    assert actual == {frozenset(tokens) for tokens in expected.values()}
    assert torch.equal(plan.key_mask(), windows > 0)


def test_shift_out_of_range() -> None:
    with pytest.raises(ValueError, match=r'shift=7 must lie in 0\.\.6'):
        plan_windows((14, 14), 7, 7)
