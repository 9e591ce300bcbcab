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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from torch import Tensor

from convmae_mm.checkpoint.errors import UnmatchedTensorsError

Shape = tuple[int, ...]
Sizes = Mapping[str, int]
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
    return weight[..., None, None]


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
        shape: Our shape, by the sizes that the network has; None where the
            model itself tells it.
    """

    released: str
    ours: str
    transform: Transform = IDENTITY
    shape: Callable[[Sizes], Shape] | None = None

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


class Renaming:
    """A table of rules, ready to look names up in both directions.

    Args:
        rules: The table; the first rule that matches a name counts.
    """

    def __init__(self, rules: Rules) -> None:
        both = [rule for rule in rules if isinstance(rule, Rule)]
        self._released = _Alternatives([x.released for x in rules])
        self._ours = _Alternatives([x.ours for x in both])
        self._rules, self._both = rules, both

    def from_released(
        self, name: str
    ) -> tuple[str | None, Rule | Drop | None]:
        """Our name and the rule; (None, rule) if dropped, else both None."""
        index, values = self._released.find(name)
        if index is None:
            return None, None
        rule = self._rules[index]
        if isinstance(rule, Drop):
            return None, rule
        return rule.ours.format(**values), rule

    def from_ours(self, name: str) -> tuple[str, Rule] | None:
        """The released name of a tensor of ours and the rule, if known."""
        index, values = self._ours.find(name)
        if index is None:
            return None
        rule = self._both[index]
        return rule.released.format(**values), rule

    def unknown_ours(self, names: Iterable[str]) -> list[str]:
        """Those of our names that no rule mentions."""
        return [x for x in names if self._ours.find(x)[0] is None]

    def unknown_released(self, names: Iterable[str]) -> list[str]:
        """Those of the released names that no rule mentions."""
        return [x for x in names if self._released.find(x)[0] is None]


@lru_cache(maxsize=64)
def renaming(rules: Rules) -> Renaming:
    """The table of some rules, made once."""
    return Renaming(rules)


def prefixed(rules: Rules, released: str, ours: str) -> Rules:
    """The same rules with a prefix in front of the names on each side."""
    return tuple(
        replace(rule, released=released + rule.released, ours=ours + rule.ours)
        if isinstance(rule, Rule)
        else replace(rule, released=released + rule.released)
        for rule in rules
    )


def import_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert released tensors to ours, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    table = renaming(rules)
    found = {name: table.from_released(name) for name in state_dict}
    unknown = [name for name, (_, rule) in found.items() if rule is None]
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(state_dict)} tensors are unknown to the '
            f'conversion: {unknown}'
        )
    converted: dict[str, Tensor] = {}
    for name, (target, rule) in found.items():
        if target is not None and isinstance(rule, Rule):
            _put(converted, target, rule.transform.to_ours(state_dict[name]))
    return converted


def export_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert tensors of ours to released ones, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    table = renaming(rules)
    found = {name: table.from_ours(name) for name in state_dict}
    unknown = [name for name, match in found.items() if match is None]
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(state_dict)} tensors have no released '
            f'name: {unknown}'
        )
    exported: dict[str, Tensor] = {}
    for name, match in found.items():
        assert match is not None
        target, rule = match
        _put(exported, target, rule.transform.to_released(state_dict[name]))
    return exported


def _put(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise UnmatchedTensorsError(f'two tensors would be called {name!r}')
    tensors[name] = tensor


class _Alternatives:
    """Templates as one pattern that tells which of them a name fits."""

    def __init__(self, templates: Sequence[str]) -> None:
        self._fields: dict[int, tuple[int, list[str]]] = {}
        patterns, group = [], 1
        for index, template in enumerate(templates):
            parts = re.split(r'{(\w+)}', template)
            self._fields[group] = (index, parts[1::2])
            group += 1 + len(parts[1::2])
            parts[::2] = [re.escape(part) for part in parts[::2]]
            parts[1::2] = [f'({PLACEHOLDERS[key]})' for key in parts[1::2]]
            patterns.append(f'({"".join(parts)})')
        self._pattern = re.compile('|'.join(patterns) or r'(?!)')

    def find(self, name: str) -> tuple[int | None, dict[str, str]]:
        """The place of the first template that fits, and its placeholders."""
        match = self._pattern.fullmatch(name)
        if match is None or match.lastindex is None:
            return None, {}
        # the group that closed last is the one around the whole template
        first = match.lastindex
        index, fields = self._fields[first]
        values = match.groups()[first : first + len(fields)]
        return index, dict(zip(fields, values, strict=True))
