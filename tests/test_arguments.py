from __future__ import annotations

import pytest

from convmae_mm.arguments import each, number, one_of, takes, whole
from convmae_mm.errors import ConfigError


class Part:
    @takes(
        depth=whole(1, 8),
        rate=number('[)', 0, 1),
        sizes=whole(16, 64, multiple_of=16)
        | each(whole(16, 64, multiple_of=16), 2),
        kind=one_of('mean', 'first'),
    )
    def __init__(self, depth, rate=0.5, sizes=None, kind='mean') -> None:
        self.given = (depth, rate, sizes, kind)


def test_what_fits_is_taken() -> None:
    assert Part(8, rate=0).given == (8, 0, None, 'mean')
    assert Part(1, sizes=[16, 32]).given == (1, 0.5, [16, 32], 'mean')
    assert Part(1, sizes=64, kind='first').given == (1, 0.5, 64, 'first')


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        (dict(depth=0), 'Part: depth=0 must be a whole number from 1 to 8'),
        (dict(depth=None), 'depth=None'),
        (dict(depth=True), 'depth=True'),
        (dict(depth=2.0), r'depth=2\.0'),
        (dict(depth=1, rate=1), r'rate=1 must be a number in \[0, 1\)'),
        (dict(depth=1, rate=float('nan')), 'rate=nan'),
        (dict(depth=1, rate=10**400), 'rate=1000'),
        (dict(depth=1, sizes=24), 'sizes=24 .*divisible by 16, or a sequence'),
        (dict(depth=1, sizes='16'), "sizes='16'"),
        (dict(depth=1, kind=['mean']), "kind=.* one of 'mean', 'first'"),
        (dict(depth=1, depht=2), 'Part takes depth, rate, .*is depth meant'),
        (dict(rate=0.1), "Part takes .*'depth'"),
    ],
)
def test_what_does_not_is_refused_with_the_way_out(
    given: dict, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Part(**given)
