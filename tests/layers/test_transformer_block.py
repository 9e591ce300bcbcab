from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import Block

from convmae_mm.layers import TransformerBlock
from convmae_mm.ops.windows import plan_windows


def test_equals_timms_block() -> None:
    torch.manual_seed(0)
    ours = TransformerBlock(24, num_heads=3).double()
    theirs = Block(24, num_heads=3, qkv_bias=True).double()
    for module in (theirs.norm1, theirs.norm2):
        module.eps = 1e-6
    theirs.load_state_dict(ours.state_dict(), strict=True)
    tokens = torch.randn(2, 10, 24, dtype=torch.float64)
    assert torch.allclose(ours(tokens), theirs(tokens), atol=1e-12)


def test_a_bias_of_minus_infinity_hides_a_token() -> None:
    block = TransformerBlock(8, num_heads=2)
    tokens = torch.randn(1, 6, 8)
    bias = torch.zeros(1, 6)
    bias[:, 4] = -torch.inf
    changed = tokens.clone()
    changed[:, 4] += 1
    before, after = block(tokens, bias=bias), block(changed, bias=bias)
    others = [0, 1, 2, 3, 5]
    assert torch.equal(before[:, others], after[:, others])
    assert not torch.equal(before[:, 4], after[:, 4])


def test_windows_separate_tokens() -> None:
    block = TransformerBlock(8, num_heads=2)
    plan = plan_windows((4, 4), 2)
    tokens = torch.randn(1, 16, 8)
    changed = tokens.clone()
    changed[:, 0] += 1  # the top left window holds tokens 0, 1, 4, 5
    before = block(tokens, windows=plan)
    after = block(changed, windows=plan)
    moved = (before != after).any(-1)[0].nonzero().flatten().tolist()
    assert moved == [0, 1, 4, 5]


def test_heads_must_divide_channels() -> None:
    with pytest.raises(ValueError, match=r'channels=10.*num_heads=3'):
        TransformerBlock(10, num_heads=3)
