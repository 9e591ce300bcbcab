"""Renaming rules: tables that say what each tensor of a network becomes.

Tables are data, and work in both directions::

    RULES = (
        Rule('fpn.0.{leaf}', 'downsample.0.{leaf}'),
        Rule('mlp.fc1.weight', 'mlp.fc1.weight', POINTWISE),
        Drop('{rest}.relative_position_index', 'computed from the grid'),
    )
    ours = import_tensors(released, RULES)
    released = export_tensors(ours, RULES)

Templates match whole names. Their placeholders, each at most once in a
template, are ``{index}``, digits, ``{leaf}``, a name without dots, and
``{rest}``, anything. The first rule that matches counts, in both directions,
and one that matches must exist: conversions are total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from .errors import UnmatchedTensorsError

PLACEHOLDERS = {'index': r'\d+', 'leaf': r'[^.]+', 'rest': r'.+'}


@dataclass(frozen=True)
class Transform:
    """What happens to the numbers of a tensor that is renamed.

    Attributes:
        to_ours: From the released layout to ours.
        to_released: Its inverse.
    """

    to_ours: Callable[[Tensor], Tensor]
    to_released: Callable[[Tensor], Tensor]


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _squeeze_kernel(weight: Tensor) -> Tensor:
    return weight.flatten(1)


def _unsqueeze_kernel(weight: Tensor) -> Tensor:
    return weight[:, :, None, None]


IDENTITY = Transform(_unchanged, _unchanged)
# A 1x1 convolution there, (O, I, 1, 1), is a linear layer here, (O, I).
POINTWISE = Transform(_squeeze_kernel, _unsqueeze_kernel)


@dataclass(frozen=True)
class Rule:
    """One kind of tensor under both names.

    Attributes:
        released: Template of the released names.
        ours: Template of our names, with the same placeholders.
        transform: What happens to the numbers.
    """

    released: str
    ours: str
    transform: Transform = IDENTITY

    def __post_init__(self) -> None:
        """Check that each name determines the other."""
        found = [
            sorted(re.findall(r'{(\w+)}', template))
            for template in (self.released, self.ours)
        ]
        if found[0] != found[1] or len(set(found[0])) < len(found[0]):
            raise ValueError(
                f'{self.released!r} and {self.ours!r} must have the same '
                'placeholders, each once'
            )


@dataclass(frozen=True)
class Drop:
    """Released tensors that ours does not have.

    Attributes:
        released: Template of the released names.
        reason: Why nothing is lost.
    """

    released: str
    reason: str


Rules = tuple[Rule | Drop, ...]


def prefixed(rules: Rules, released: str, ours: str) -> Rules:
    """The same rules with a prefix in front of the names on each side."""
    return tuple(
        Rule(released + rule.released, ours + rule.ours, rule.transform)
        if isinstance(rule, Rule)
        else Drop(released + rule.released, rule.reason)
        for rule in rules
    )


def match_released(rules: Rules, name: str) -> Rule | Drop | None:
    """The first rule for a released name, or None."""
    return next((x for x in rules if _match(x.released, name)), None)


def to_our_name(rules: Rules, name: str) -> str | None:
    """Our name of a released tensor; None if it is dropped or unknown."""
    rule = match_released(rules, name)
    if not isinstance(rule, Rule):
        return None
    return _rename(rule.released, rule.ours, name)


def to_released_name(rules: Rules, name: str) -> str | None:
    """The released name of a tensor of ours; None if it is unknown."""
    rule = _match_ours(rules, name)
    if rule is None:
        return None
    return _rename(rule.ours, rule.released, name)


def import_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert released tensors to ours, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    check_all_known(state_dict, rules)
    converted: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        rule = match_released(rules, name)
        if isinstance(rule, Rule):
            target = _rename(rule.released, rule.ours, name)
            _put(converted, target, rule.transform.to_ours(tensor))
    return converted


def export_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert tensors of ours to released ones, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    unknown = unknown_ours(state_dict, rules)
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(state_dict)} tensors have no released '
            f'name: {unknown}'
        )
    exported: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        rule = _match_ours(rules, name)
        assert rule is not None
        target = _rename(rule.ours, rule.released, name)
        _put(exported, target, rule.transform.to_released(tensor))
    return exported


def check_all_known(names: Iterable[str], rules: Rules) -> None:
    """Raise ``UnmatchedTensorsError`` naming released names without a rule."""
    names = list(names)
    unknown = [x for x in names if match_released(rules, x) is None]
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(names)} tensors are unknown to the '
            f'conversion: {unknown}'
        )


def unknown_ours(names: Iterable[str], rules: Rules) -> list[str]:
    """Those of our names that no rule mentions."""
    return [name for name in names if _match_ours(rules, name) is None]


def _put(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise UnmatchedTensorsError(f'two tensors would be called {name!r}')
    tensors[name] = tensor


def _match_ours(rules: Rules, name: str) -> Rule | None:
    for rule in rules:
        if isinstance(rule, Rule) and _match(rule.ours, name):
            return rule
    return None


def _match(template: str, name: str) -> re.Match[str] | None:
    return _compile(template).fullmatch(name)


def _rename(source: str, target: str, name: str) -> str:
    match = _match(source, name)
    assert match is not None
    return target.format(**match.groupdict())


@cache
def _compile(template: str) -> re.Pattern[str]:
    """The template as a pattern with a group for each placeholder."""
    parts = re.split(r'{(\w+)}', template)
    parts[::2] = [re.escape(part) for part in parts[::2]]
    parts[1::2] = [f'(?P<{key}>{PLACEHOLDERS[key]})' for key in parts[1::2]]
    return re.compile(''.join(parts))
