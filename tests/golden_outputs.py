"""Golden outputs of the released networks, see tests/data/golden/README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from convmae_mm.ops.positions import build_sincos_positions

GOLDEN_DIR = Path(__file__).parent / 'data' / 'golden'


@dataclass(frozen=True)
class Golden:
    """One golden file: its settings, and the tensors it holds."""

    meta: dict
    tensors: dict[str, Tensor]

    @property
    def image(self) -> Tensor:
        """The input, drawn from its seed."""
        entry = self.meta['image']
        rng = np.random.RandomState(entry['seed'])
        return torch.from_numpy(rng.randn(*entry['shape'])).float()

    def draw_weights(self) -> dict[str, Tensor]:
        """The weights by released name, drawn from their seed."""
        rng = np.random.RandomState(self.meta['weights_seed'])
        weights = {}
        for key, shape in sorted(self.meta['keys'].items()):
            if key.endswith(('relative_position_index', '_tracked')):
                # integers are not drawn
                weights[key] = torch.zeros(shape, dtype=torch.int64)
                continue
            weights[key] = _draw(rng, key, shape)
        if self.meta.get('kind') == 'pretrain':
            for key in ('pos_embed', 'decoder_pos_embed'):
                _, length, channels = weights[key].shape
                side = int(sqrt(length))
                weights[key] = build_sincos_positions((side, side), channels)
        return weights


def load_golden(name: str) -> Golden:
    """Open ``tests/data/golden/<name>.safetensors``."""
    with safe_open(GOLDEN_DIR / f'{name}.safetensors', 'pt') as file:
        meta = json.loads(file.metadata()['meta'])
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    return Golden(meta, tensors)


def assert_agrees(actual: Tensor, golden: Tensor, name: str) -> None:
    """At most 1e-4 of the largest magnitude of the golden tensor."""
    assert actual.shape == golden.shape, name
    error = (actual - golden).abs().max() / golden.abs().max()
    assert error < 1e-4, f'{name}: relative error {error:.2e}'


def _draw(rng: np.random.RandomState, key: str, shape: list[int]) -> Tensor:
    if key.endswith('running_var'):
        values = 1 + 0.2 * abs(rng.randn(*shape))
    elif (
        ('norm' in key and key.endswith('weight'))
        or 'gamma' in key
        or key == 'fpn.1.weight'
    ):
        values = 1 + 0.1 * rng.randn(*shape)
    elif key.endswith('relative_position_bias_table') or 'rel_pos_' in key:
        values = 0.5 * rng.randn(*shape)
    elif len(shape) >= 2 and 'pos_embed' not in key and 'token' not in key:
        values = rng.randn(*shape) * (1.4 / sqrt(prod(shape[1:])))
    else:
        values = 0.2 * rng.randn(*shape)
    return torch.from_numpy(values).float()
