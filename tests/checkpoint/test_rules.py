from __future__ import annotations

import pytest
import torch

from convmae_mm.checkpoint import UnmatchedTensorsError
from convmae_mm.checkpoint.rules import (
    POINTWISE,
    Drop,
    Rule,
    Rules,
    export_tensors,
    import_tensors,
    match_released,
    prefixed,
    to_our_name,
    to_released_name,
)
from convmae_mm.checkpoint.variants import (
    BACKBONE_PREFIXES,
    POOLINGS,
    rules_for,
)

TABLES = [
    *((variant, 'mean') for variant in BACKBONE_PREFIXES),
    ('classifier', 'first_token'),
]
SAMPLES = dict(index='7', leaf='weight', rest='3.some.weight')


@pytest.mark.parametrize(('variant', 'pooling'), TABLES)
def test_every_table_is_bijective(variant: str, pooling: str) -> None:
    """No rule hides another one, in either direction."""
    rules = rules_for(variant, pooling)
    assert len(set(rules)) == len(rules)
    for rule in rules:
        released = rule.released.format(**SAMPLES)
        assert match_released(rules, released) is rule
        if isinstance(rule, Rule):
            ours = rule.ours.format(**SAMPLES)
            assert to_our_name(rules, released) == ours
            assert to_released_name(rules, ours) == released
        else:
            assert rule.reason
            assert to_our_name(rules, released) is None


def test_pooling_is_in_the_name_of_the_norm_alone() -> None:
    first, second = (
        {x.released for x in rules_for('classifier', pooling)}
        for pooling in POOLINGS
    )
    assert first ^ second == {'fc_norm.{leaf}', 'norm.{leaf}'}


def test_unknown_variant_and_pooling() -> None:
    with pytest.raises(ValueError, match="'detector3'.*'detector1'"):
        rules_for('detector3')
    with pytest.raises(ValueError, match="'max'.*'first_token'"):
        rules_for('classifier', 'max')


def test_placeholders() -> None:
    rules: Rules = (Rule('a{index}.{leaf}', 'b.{leaf}.{index}'),)
    assert to_our_name(rules, 'a12.bias') == 'b.bias.12'
    assert to_released_name(rules, 'b.bias.12') == 'a12.bias'
    for other in ('a.bias', 'ax.bias', 'a1.norm.bias', 'xa1.bias', 'a1.'):
        assert to_our_name(rules, other) is None
    assert to_released_name(rules, 'b.bias.x') is None
    # A dot is a dot.
    assert to_our_name((Rule('a.b', 'c'),), 'axb') is None


@pytest.mark.parametrize(
    ('released', 'ours'),
    [
        ('a.{leaf}', 'a'),
        ('a', 'a.{leaf}'),
        ('a.{index}', 'a.{leaf}'),
        ('{leaf}.{leaf}', '{leaf}.{leaf}'),
    ],
)
def test_rules_must_be_reversible(released: str, ours: str) -> None:
    with pytest.raises(ValueError, match='same placeholders, each once'):
        Rule(released, ours)


def test_pointwise_convolutions_become_linear_and_back() -> None:
    rules: Rules = (Rule('fc.weight', 'fc.weight', POINTWISE),)
    weight = torch.rand(8, 4, 1, 1)
    ours = import_tensors({'fc.weight': weight}, rules)
    assert ours['fc.weight'].shape == (8, 4)
    back = export_tensors(ours, rules)
    assert torch.equal(back['fc.weight'], weight)
    assert back['fc.weight'].shape == weight.shape


def test_prefixes_are_put_in_front_of_every_rule() -> None:
    rules = prefixed(
        (Rule('x.{leaf}', 'y.{leaf}', POINTWISE), Drop('i', 'computed')),
        released='a.b.',
        ours='c.',
    )
    assert rules == (
        Rule('a.b.x.{leaf}', 'c.y.{leaf}', POINTWISE),
        Drop('a.b.i', 'computed'),
    )


def test_dropped_and_unknown_are_told_apart() -> None:
    rules: Rules = (Rule('a', 'b'), Drop('index', 'computed'))
    one = torch.ones(1)
    assert list(import_tensors({'index': one, 'a': one}, rules)) == ['b']
    with pytest.raises(KeyError, match=r"2 of 4.*\['c', 'd'\]"):
        import_tensors({'a': one, 'c': one, 'index': one, 'd': one}, rules)
    with pytest.raises(UnmatchedTensorsError, match=r"2 of 3.*\['a', 'x'\]"):
        export_tensors({'a': one, 'b': one, 'x': one}, rules)


def test_two_tensors_never_become_one() -> None:
    rules: Rules = (Rule('a', 'b'), Rule('c', 'b'))
    one = torch.ones(1)
    with pytest.raises(KeyError, match="two tensors would be called 'b'"):
        import_tensors({'a': one, 'c': one}, rules)
