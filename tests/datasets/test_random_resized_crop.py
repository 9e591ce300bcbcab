"""The crop is mmpretrain's, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from convmae_mm.datasets import RandomResizedCrop


def draw(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    'shape',
    # the last two are so narrow and so wide that no rectangle fits
    [(90, 120, 3), (120, 90, 3), (64, 64), (300, 4, 3), (4, 300, 3)],
)
@pytest.mark.parametrize('scale', [32, (16, 48)])
def test_equals_mmpretrain(shape: tuple[int, ...], scale) -> None:
    from mmpretrain.datasets.transforms import (
        RandomResizedCrop as TheirRandomResizedCrop,
    )

    image = draw(shape)
    options = dict(scale=scale, crop_ratio_range=(0.2, 1.0))
    ours = RandomResizedCrop(**options)
    theirs = TheirRandomResizedCrop(
        **options, backend='pillow', interpolation='bicubic'
    )
    for seed in range(10):
        found = []
        for transform in (ours, theirs):
            np.random.seed(seed)
            found.append(transform({'img': image.copy()}))
        np.testing.assert_array_equal(found[0]['img'], found[1]['img'])
        assert found[0]['img_shape'] == found[1]['img_shape'][:2]


def test_the_result_can_be_written_to() -> None:
    image = RandomResizedCrop(8)({'img': draw((20, 30, 3))})['img']
    assert image.flags.writeable and image.flags.c_contiguous
    assert image.shape == (8, 8, 3)


def test_builds_by_name() -> None:
    from mmengine.registry import TRANSFORMS

    cfg = dict(type='convmae_mm.RandomResizedCrop', scale=8)
    built = TRANSFORMS.build(cfg)
    assert isinstance(built, RandomResizedCrop)
    assert 'scale=(8, 8)' in repr(built)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(scale=0), 'scale=0'),
        (dict(scale=(1, 2, 3)), r'\(1, 2, 3\)'),
        (dict(scale=8, crop_ratio_range=(0.5, 0.2)), r'\(0.5, 0.2\)'),
        (dict(scale=8, crop_ratio_range=(0.5, 1.5)), r'\(0.5, 1.5\)'),
        (dict(scale=8, aspect_ratio_range=(0, 1)), r'\(0, 1\)'),
        (dict(scale=8, max_attempts=-1), 'max_attempts=-1'),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomResizedCrop(**options)


@pytest.mark.parametrize(
    'image', [draw((20, 20, 5)), draw((20, 20, 3)).astype(np.float32)]
)
def test_other_pixels_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match='mmpretrain.RandomResizedCrop'):
        RandomResizedCrop(8)({'img': image})
