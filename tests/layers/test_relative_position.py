from __future__ import annotations

import torch

from convmae_mm.layers import RelativePositionBias


def test_a_table_without_memory_has_a_shape() -> None:
    """On 'meta', where networks are built to be counted."""
    with torch.device('meta'):
        table = RelativePositionBias((3, 4), num_heads=2)
    query = torch.empty(1, 2, 12, 4, device='meta')
    assert table.relate(query, (3, 4)).shape == (2, 12, 12)
