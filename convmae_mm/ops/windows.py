"""Window partition of a token grid, shifted without wrapping around.

Legend: B batch, H W token grid, L = H * W tokens, C channels, n windows per
image, w window side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class WindowPlan:
    """How a grid of tokens is cut into w x w windows.

    Token (i, j) belongs to window
    ``(floor((i - shift) / w), floor((j - shift) / w))``: windows that stick
    out of the grid are filled up with padding, nothing wraps around.

    Attributes:
        grid: (H, W).
        window_size: w.
        pad: Padding (left, right, top, bottom) in tokens.
    """

    grid: tuple[int, int]
    window_size: int
    pad: tuple[int, int, int, int]

    @property
    def is_padded(self) -> bool:
        """Whether a window holds anything but tokens of the grid."""
        return any(self.pad)

    @property
    def window(self) -> tuple[int, int]:
        """The grid of tokens in a window, (w, w)."""
        return self.window_size, self.window_size

    @property
    def padded_grid(self) -> tuple[int, int]:
        """The grid after padding, a multiple of the window size."""
        left, right, top, bottom = self.pad
        return self.grid[0] + top + bottom, self.grid[1] + left + right

    def partition(self, tokens: Tensor) -> Tensor:
        """(B, L, C) -> (B n, w * w, C); padding is zero."""
        batch, _, channels = tokens.shape
        height, width = self.padded_grid
        w = self.window_size
        x_bhwc = tokens.reshape(batch, *self.grid, channels)
        x_bhwc = F.pad(x_bhwc, (0, 0, *self.pad))
        x = x_bhwc.reshape(batch, height // w, w, width // w, w, channels)
        return x.transpose(2, 3).reshape(-1, w * w, channels)

    def merge(self, windows: Tensor) -> Tensor:
        """(B n, w * w, C) -> (B, L, C); what stood in the padding is cut."""
        channels = windows.shape[-1]
        height, width = self.padded_grid
        w = self.window_size
        x = windows.reshape(-1, height // w, width // w, w, w, channels)
        x_bhwc = x.transpose(2, 3).reshape(-1, height, width, channels)
        left, _, top, _ = self.pad
        x_bhwc = x_bhwc[
            :, top : top + self.grid[0], left : left + self.grid[1]
        ]
        return x_bhwc.reshape(-1, self.grid[0] * self.grid[1], channels)

    def key_mask(self, device: torch.device | str = 'cpu') -> Tensor:
        """Where windows hold a real token: bool (n, w * w)."""
        ones = torch.ones(1, self.grid[0] * self.grid[1], 1, device=device)
        return self.partition(ones).squeeze(-1).bool()


def plan_windows(
    grid: tuple[int, int], window_size: int, shift: int = 0
) -> WindowPlan:
    """Plan the windows of one attention block.

    Args:
        grid: (H, W) of the tokens.
        window_size: w in tokens.
        shift: How far windows are moved down and to the right, 0..w - 1.
    """
    if not 0 <= shift < window_size:
        raise ValueError(f'{shift=} must lie in 0..{window_size - 1}')
    before = (window_size - shift) % window_size
    bottom, right = (-(side + before) % window_size for side in grid)
    return WindowPlan(
        grid=grid,
        window_size=window_size,
        pad=(before, right, before, bottom),
    )
