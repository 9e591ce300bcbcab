"""How well weights fit a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convmae_mm.checkpoint.fit import compare, unwrap_names


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_every_misfit_is_told() -> None:
    model = build()
    weights = model.state_dict()
    assert compare(model, weights).exact
    del weights['0.bias']
    weights['0.weight'] = torch.zeros(3, 4)
    weights['head.a'] = torch.zeros(1)
    report = compare(model, weights)
    assert not report.exact
    assert report.missing == ('0.bias',)
    assert report.unexpected == ('head.a',)
    assert report.reshaped == {'0.weight': ((3, 4), (3, 2))}
    assert report.share == 5 / 7
    assert str(report) == (
        "5 of 7 tensors fit (71%); 1 missing, such as '0.bias'; 1 unexpected, "
        "such as 'head.a'; 1 of another shape, such as '0.weight' ((3, 4) "
        'instead of (3, 2))'
    )


def test_counters_may_be_absent() -> None:
    model = build()
    weights = model.state_dict()
    del weights['1.num_batches_tracked']
    assert compare(model, weights).exact


@pytest.mark.parametrize(
    'prefix', ['module.', '_orig_mod.', 'module._orig_mod.']
)
def test_wrappers_do_not_matter(prefix: str) -> None:
    model = build()
    wrapped = {f'{prefix}{k}': x for k, x in model.state_dict().items()}
    assert compare(model, wrapped).exact
    assert compare(wrapped, model.state_dict()).exact


def test_names_are_unwrapped_only_where_they_stay_different() -> None:
    assert unwrap_names({'a._orig_mod.b': 1, 'module.c': 2}) == {
        'a.b': 1,
        'module.c': 2,
    }
    both = {'a._orig_mod.b': 1, 'a.b': 2}
    assert unwrap_names(both) == both


def test_nothing_of_another_network_fits() -> None:
    report = compare(build(), {'layer1.weight': torch.zeros(1)})
    assert report.share == 0
    assert not report.matched
