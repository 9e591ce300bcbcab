"""What a backbone emits, for whatever is built on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convmae_mm.variants import STRIDES


@dataclass(frozen=True)
class FeatureInfo:
    """Channels and strides of maps, asked for as in timm.

    Attributes:
        widths: Channels of E1..E4.
        out_indices: Which of them the backbone returns, in this order.
    """

    widths: tuple[int, ...]
    out_indices: tuple[int, ...]

    def channels(self, idx: int | Sequence[int] | None = None) -> list[int]:
        """Channels of the maps returned, or of the maps ``idx``, 0..3."""
        return [self.widths[index] for index in self._chosen(idx)]

    def reduction(self, idx: int | Sequence[int] | None = None) -> list[int]:
        """Strides in pixels of the maps returned, or of the maps ``idx``."""
        return [STRIDES[index] for index in self._chosen(idx)]

    def _chosen(self, idx: int | Sequence[int] | None) -> Sequence[int]:
        if idx is None:
            return self.out_indices
        return [idx] if isinstance(idx, int) else idx
