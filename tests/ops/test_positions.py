from __future__ import annotations

import math

import pytest
import torch

from convmae_mm.ops.positions import (
    build_sincos_positions,
    expand_relative_table,
    resize_positions,
    resize_relative_table,
)


def test_sincos_table_by_its_formula() -> None:
    grid, channels = (3, 5), 16
    table = build_sincos_positions(grid, channels)[0].reshape(3, 5, 16)
    for row in range(3):
        for column in range(5):
            for k in range(4):
                frequency = 10000 ** (-k / 4)
                expected = [
                    math.sin(column * frequency),
                    math.cos(column * frequency),
                    math.sin(row * frequency),
                    math.cos(row * frequency),
                ]
                actual = table[row, column, k::4].tolist()
                assert actual == pytest.approx(expected, abs=1e-6)


def test_sincos_channels_must_divide() -> None:
    with pytest.raises(ValueError, match='channels=18'):
        build_sincos_positions((2, 2), 18)


def test_resize_keeps_a_smooth_table_smooth() -> None:
    ramp = torch.linspace(0, 1, 14).repeat(14, 1).reshape(1, 196, 1)
    resized = resize_positions(ramp, (14, 14), (20, 28)).reshape(20, 28)
    assert torch.allclose(resized, resized[:1].expand(20, 28), atol=1e-5)
    assert (resized[0].diff()[2:-2] > 0).all()
    assert resize_positions(ramp, (14, 14), (14, 14)) is ramp


@pytest.mark.parametrize('grid', [(3, 4), (7, 7), (1, 5)])
def test_expansion_equals_indexing(grid: tuple[int, int]) -> None:
    """Against the (L, L) integer index of BEiT and Swin, gradients too."""
    height, width = grid
    table = torch.randn(
        (2 * height - 1) * (2 * width - 1), 2, requires_grad=True
    )
    rows, columns = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing='ij'
    )
    rows, columns = rows.flatten(), columns.flatten()
    index = (rows[:, None] - rows + height - 1) * (2 * width - 1)
    index = index + columns[:, None] - columns + width - 1
    expected = table[index].permute(2, 0, 1)
    actual = expand_relative_table(table, grid)
    assert torch.equal(actual, expected)
    weight = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad((actual * weight).sum(), table)
    (reference,) = torch.autograd.grad((expected * weight).sum(), table)
    assert torch.allclose(gradient, reference, atol=1e-5)


def test_relative_table_resizes_around_its_centre() -> None:
    rows = torch.arange(-3.0, 4.0).repeat_interleave(9)[:, None]
    resized = resize_relative_table(rows, (4, 5), (8, 6))
    maps = resized.reshape(15, 11)
    assert torch.allclose(maps, -maps.flip(0), atol=1e-5)
    assert torch.allclose(maps, maps[:, :1].expand(15, 11), atol=1e-5)
