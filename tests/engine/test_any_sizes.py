"""Batches that the libraries cannot compute become ones that they can."""

from __future__ import annotations

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from torch import nn

from convmae_mm.engine.any_sizes import (
    _by_size,
    accept_any_sizes,
    drop_single_pictures,
)


def test_pictures_of_one_size_go_together_and_results_keep_the_order() -> None:
    seen = []

    def step(self: object, data: dict) -> list[str]:
        torch.stack(data['inputs'])  # as mmseg does
        seen.append(list(data['data_samples']))
        return [f'result {x}' for x in data['data_samples']]

    sizes = [(4, 6), (6, 4), (4, 6), (5, 5)]
    data = dict(
        inputs=[torch.zeros(3, *size) for size in sizes],
        data_samples=[0, 1, 2, 3],
    )
    assert _by_size(step)(None, data) == [f'result {x}' for x in range(4)]
    assert seen == [[0, 2], [1], [3]]
    # a batch of one size goes through as it is
    even = dict(inputs=[torch.zeros(3, 4, 4)] * 2, data_samples=[7, 8])
    assert _by_size(step)(None, even) == ['result 7', 'result 8']


def test_segmentors_of_mmseg_test_any_sizes() -> None:
    from mmseg.models.segmentors import BaseSegmentor

    accept_any_sizes()
    step = BaseSegmentor.val_step
    accept_any_sizes()
    assert BaseSegmentor.val_step is step
    assert BaseSegmentor.tests_any_sizes


@pytest.mark.parametrize('shape', [(2, 20000), (20000, 2)])
def test_a_line_of_pixels_keeps_one(shape: tuple[int, int]) -> None:
    """mmcv made it 0 pixels wide, and OpenCV died of that."""
    accept_any_sizes()
    line = np.zeros((*shape, 3), np.uint8)
    assert sorted(mmcv.imrescale(line, (96, 96)).shape) == [1, 3, 96]


@pytest.mark.parametrize(
    ('pictures', 'batch', 'layer', 'sampler', 'dropped'),
    [
        (9, 8, nn.BatchNorm2d(1), 'DefaultSampler', True),
        (9, 8, nn.GroupNorm(1, 1), 'DefaultSampler', False),
        (10, 8, nn.BatchNorm2d(1), 'DefaultSampler', False),
        (9, 8, nn.BatchNorm2d(1), 'InfiniteSampler', False),
        # nothing would be left
        (1, 8, nn.BatchNorm2d(1), 'DefaultSampler', False),
    ],
)
def test_a_last_batch_of_one_is_left_out(
    pictures: int, batch: int, layer: nn.Module, sampler: str, dropped: bool
) -> None:
    loader = dict(
        batch_size=batch,
        sampler=dict(type=sampler),
        dataset=list(range(pictures)),
    )
    runner = SimpleNamespace(
        _train_dataloader=loader, model=nn.Sequential(layer)
    )
    drop_single_pictures(runner)
    assert loader.get('drop_last', False) is dropped
