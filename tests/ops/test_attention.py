from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from convmae_mm.layers import DecomposedRelativePosition, RelativePositionBias
from convmae_mm.ops import attention, attention_cpu
from convmae_mm.ops.attention import AxisBias, attend

GRIDS = [(3, 5), (8, 8), (1, 7), (6, 1)]


def draw(grid: tuple[int, int], heads: int = 2) -> list[Tensor]:
    """Query, key and value of three sequences, in double precision."""
    torch.manual_seed(0)
    shape = (3, heads, grid[0] * grid[1], 4)
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]


def coordinates(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Row and column of each token."""
    index = torch.arange(grid[0] * grid[1])
    return index // grid[1], index % grid[1]


def explicit(query, key, value, bias: Tensor) -> Tensor:
    """Attention as its formula says."""
    logits = query @ key.mT / 2 + bias
    return logits.softmax(-1) @ value


def check(actual: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    """Compare outputs, and gradients for the leaves."""
    assert torch.allclose(actual, expected, atol=1e-12)
    direction = torch.randn_like(actual)
    ours = torch.autograd.grad(actual, leaves, direction)
    theirs = torch.autograd.grad(expected, leaves, direction)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize('max_logits', [1, 100, 2**22])
@pytest.mark.parametrize('grid', GRIDS)
def test_a_table(
    grid: tuple[int, int], max_logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps of one row, of some, and of all rows."""
    monkeypatch.setattr(attention_cpu, 'MAX_LOGITS', max_logits)
    height, width = grid
    table = RelativePositionBias(grid, num_heads=2).double()
    torch.nn.init.normal_(table.table)
    rows, columns = coordinates(grid)
    dy = rows[:, None] - rows + height - 1
    dx = columns[:, None] - columns + width - 1
    bias = table.table[dy * (2 * width - 1) + dx].permute(2, 0, 1)
    assert torch.equal(table(grid), bias)
    q, k, v = draw(grid)
    actual = attend(q, k, v, 0.5, table.relate(q, grid))
    check(actual, explicit(q, k, v, bias), [q, k, v, table.table])


@pytest.mark.parametrize('max_logits', [1, 100, 2**22])
@pytest.mark.parametrize('grid', GRIDS)
def test_decomposed_positions(
    grid: tuple[int, int], max_logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_cpu, 'MAX_LOGITS', max_logits)
    vectors = DecomposedRelativePosition(grid, head_channels=4).double()
    for parameter in vectors.parameters():
        torch.nn.init.normal_(parameter)
    rows, columns = coordinates(grid)
    dy = rows[:, None] - rows + grid[0] - 1
    dx = columns[:, None] - columns + grid[1] - 1
    q, k, v = draw(grid)
    bias = torch.einsum('nhqd,qkd->nhqk', q, vectors.height[dy])
    bias = bias + torch.einsum('nhqd,qkd->nhqk', q, vectors.width[dx])
    leaves = [q, k, v, vectors.height, vectors.width]
    actual = attend(q, k, v, 0.5, vectors.relate(q, grid))
    check(actual, explicit(q, k, v, bias), leaves)


def test_folding_is_the_same_as_adding() -> None:
    """What other devices do with decomposed positions."""
    grid = (3, 5)
    q, k, v = draw(grid)
    bias = AxisBias(
        torch.randn(3, 2, 15, 3, dtype=torch.float64),
        torch.randn(3, 2, 15, 5, dtype=torch.float64),
    )
    query, key, _ = attention._fold(q, k, v, 0.5, bias)
    assert query.shape[-1] == key.shape[-1] == 16  # 4 + 3 + 5, and zeros
    rows, columns = coordinates(grid)
    expected = q @ k.mT * 0.5 + bias.by_row[..., rows]
    expected = expected + bias.by_column[..., columns]
    assert torch.allclose(query @ key.mT * 0.5, expected)


def test_half_precision_sums_in_single() -> None:
    grid = (16, 16)
    table = RelativePositionBias(grid, num_heads=2)
    torch.nn.init.normal_(table.table)
    q, k, v = (x.detach().float() for x in draw(grid))
    exact = attend(q, k, v, 0.5, table.relate(q, grid))
    half = attend(
        q.bfloat16(), k.bfloat16(), v.bfloat16(), 0.5, table.relate(q, grid)
    )
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), exact, atol=0.03)


def test_operators_follow_the_rules_of_torch() -> None:
    """Fake implementations, autograd registration and aliasing."""
    grid = (3, 4)
    q, k, v = draw(grid)
    table = RelativePositionBias(grid, num_heads=2).double()
    terms = [table.relate(q, grid).strips.detach().requires_grad_()]
    torch.library.opcheck(attention_cpu._attend_in_rows, (q, k, v, terms, 0.5))


def test_it_compiles_without_a_break() -> None:
    grid = (3, 4)
    q, k, v = draw(grid)
    table = RelativePositionBias(grid, num_heads=2).double()
    torch.nn.init.normal_(table.table)

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, 0.5, table.relate(q, grid))

    compiled = torch.compile(run, fullgraph=True, backend='aot_eager')
    check(compiled(q, k, v), run(q, k, v), [q, k, v, table.table])


def test_autocast_does_not_reach_the_products() -> None:
    grid = (16, 16)
    q, k, v = (x.detach().float() for x in draw(grid))
    bias = AxisBias(torch.randn(3, 2, 256, 16), torch.randn(3, 2, 256, 16))
    exact = attend(q, k, v, 0.5, bias)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(attend(q, k, v, 0.5, bias), exact)


def test_products_are_counted() -> None:
    grid = (3, 4)
    q, k, v = draw(grid)
    table = RelativePositionBias(grid, num_heads=2).double()
    with FlopCounterMode(display=False) as counter:
        out = attend(q, k, v, 0.5, table.relate(q, grid))
    product = 2 * 3 * 2 * 12 * 12 * 4  # N, heads, L, L, d
    assert counter.get_total_flops() == 2 * product
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == 5 * product
