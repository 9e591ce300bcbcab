"""Pictures are held out by class, and never from both sides."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from convmae_mm.own_data.split import held_out


@pytest.mark.parametrize('seed', range(5))
def test_no_class_is_lost_that_two_pictures_have(seed: int) -> None:
    rng = random.Random(seed)
    pictures = [
        {name for name in range(8) if rng.random() < 0.05 * (name + 1)}
        for _ in range(60)
    ]
    held = set(held_out(pictures, seed=seed))
    assert 12 <= len(held) <= 16
    total = Counter(x for names in pictures for x in names)
    inside = Counter(x for i in held for x in pictures[i])
    for name, count in total.items():
        if count > 1:
            assert 0 < inside[name] < count


def test_same_seed_same_pictures() -> None:
    pictures = [{i % 3} for i in range(20)]
    assert held_out(pictures, seed=1) == held_out(pictures, seed=1)
    assert held_out(pictures, seed=1) != held_out(pictures, seed=2)


def test_something_is_held_out_where_nothing_can_be_spared() -> None:
    assert len(held_out([{'a'}, {'b'}])) == 1


def test_a_class_is_held_out_rather_than_pictures_of_none() -> None:
    pictures = [{'a'}, {'b'}, *[set[str]()] * 6]
    held = held_out(pictures)
    assert len(held) == 2
    assert len([index for index in held if pictures[index]]) == 1


def test_one_picture_cannot_be_split() -> None:
    with pytest.raises(ValueError, match='1 picture'):
        held_out([{'a'}])
