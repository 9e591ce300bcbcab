"""The two-layer perceptron of both kinds of block."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def build_mlp(channels: int, ratio: float) -> nn.Sequential:
    """``fc1``, GELU, ``fc2`` over the last axis, ``channels * ratio`` wide."""
    hidden = int(channels * ratio)
    return nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(channels, hidden),
            act=nn.GELU(),
            fc2=nn.Linear(hidden, channels),
        )
    )
