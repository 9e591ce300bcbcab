from __future__ import annotations

import pytest
import torch

from convmae_mm.checkpoint import convert_released_state_dict


def test_pointwise_convolutions_become_linear() -> None:
    converted = convert_released_state_dict(
        {
            'blocks1.0.mlp.fc1.weight': torch.rand(8, 4, 1, 1),
            'blocks1.0.attn.weight': torch.rand(4, 1, 5, 5),
            'patch_embed1.proj.weight': torch.rand(4, 3, 4, 4),
        }
    )
    assert {name: tuple(t.shape) for name, t in converted.items()} == {
        'backbone.blocks1.0.mlp.fc1.weight': (8, 4),
        'backbone.blocks1.0.depthwise.weight': (4, 1, 5, 5),
        'backbone.patch_embed1.proj.weight': (4, 3, 4, 4),
    }


def test_every_unknown_key_is_named() -> None:
    state = {
        'pos_embed': torch.zeros(1),
        'cls_token': torch.zeros(1),
        'blocks.0.norm1.weight': torch.zeros(1),
    }
    with pytest.raises(KeyError, match=r"2 of 3.*'cls_token'.*'blocks\.0"):
        convert_released_state_dict(state)
