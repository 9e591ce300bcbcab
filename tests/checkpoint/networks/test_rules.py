from __future__ import annotations

import pytest
import torch

from convmae_mm.checkpoint import UnmatchedTensorsError
from convmae_mm.checkpoint.networks import NETWORKS
from convmae_mm.checkpoint.networks.classifier import CLASSIFIER
from convmae_mm.checkpoint.networks.rules import (
    Drop,
    Renaming,
    Rule,
    Rules,
    export_tensors,
    import_tensors,
    prefixed,
)

TABLES = [
    pytest.param(rules, id=f'{network.name} {spelling}'.strip())
    for network in NETWORKS
    for spelling, rules in network.rules.items()
]
SAMPLES = dict(index='7', leaf='weight')


@pytest.mark.parametrize('rules', TABLES)
def test_every_table_is_bijective(rules: Rules) -> None:
    """No rule hides another one, in either direction."""
    assert len(set(rules)) == len(rules)
    table = Renaming(rules)
    for rule in rules:
        released = rule.released.format(**SAMPLES)
        ours, found = table.from_released(released)
        assert found is rule
        if isinstance(rule, Rule):
            assert ours == rule.ours.format(**SAMPLES)
            assert table.from_ours(ours) == (released, rule)
        else:
            assert rule.reason
            assert ours is None


def test_pooling_is_in_the_name_of_the_norm_alone() -> None:
    first, second = (
        {x.released for x in rules} for rules in CLASSIFIER.rules.values()
    )
    assert first ^ second == {
        f'{norm}.{leaf}'
        for norm in ('fc_norm', 'norm')
        for leaf in ('weight', 'bias')
    }


def test_placeholders() -> None:
    rules: Rules = (Rule('a{index}.{leaf}', 'b.{leaf}.{index}'),)
    table = Renaming(rules)
    assert table.from_released('a12.bias') == ('b.bias.12', rules[0])
    assert table.from_ours('b.bias.12') == ('a12.bias', rules[0])
    for other in ('a.bias', 'ax.bias', 'a1.norm.bias', 'xa1.bias', 'a1.'):
        assert table.from_released(other) == (None, None)
    assert table.from_ours('b.bias.x') == (None, None)
    # A dot is a dot.
    assert Renaming((Rule('a.b', 'c'),)).from_released('axb') == (None, None)


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
    rules: Rules = (Rule('fc.weight', 'fc.weight', pointwise=True),)
    weight = torch.rand(8, 4, 1, 1)
    ours = import_tensors({'fc.weight': weight}, rules)
    assert ours['fc.weight'].shape == (8, 4)
    back = export_tensors(ours, rules)
    assert torch.equal(back['fc.weight'], weight)
    assert back['fc.weight'].shape == weight.shape


def test_prefixes_are_put_in_front_of_every_rule() -> None:
    rules = prefixed(
        (Rule('x.{leaf}', 'y.{leaf}', True), Drop('i', 'computed')),
        released='a.b.',
        ours='c.',
    )
    assert rules == (
        Rule('a.b.x.{leaf}', 'c.y.{leaf}', True),
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
