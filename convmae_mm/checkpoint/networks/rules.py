"""Renaming rules: tables that say what each tensor of a network becomes.

Tables are data, and work in both directions::

    RULES = (
        Rule('fpn.0.{leaf}', 'downsample.0.{leaf}'),
        Rule('mlp.fc1.weight', 'mlp.fc1.weight', pointwise=True),
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
from dataclasses import dataclass, replace
from functools import lru_cache

from torch import Tensor

from convmae_mm.checkpoint.errors import UnmatchedTensorsError

Shape = tuple[int, ...]
PLACEHOLDERS = {'index': r'\d+', 'leaf': r'[^.]+', 'rest': r'.+'}


@dataclass(frozen=True)
class Rule:
    """One kind of tensor under both names.

    Attributes:
        released: Template of the released names.
        ours: Template of our names, with the same placeholders.
        pointwise: Whether it is the weight of a 1x1 convolution there,
            (O, I, 1, 1), and of a linear layer here, (O, I).
        shape: Our shape, of sizes that the network has and numbers, such as
            'num_classes c3 1 1'; None where the model itself tells it.
    """

    released: str
    ours: str
    pointwise: bool = False
    shape: str | None = None

    def __post_init__(self) -> None:
        """Check that each name determines the other."""
        released = sorted(_fields(self.released))
        ours = sorted(_fields(self.ours))
        if released != ours or len(set(ours)) < len(ours):
            raise ValueError(
                f'{self.released!r} and {self.ours!r} must have the same '
                'placeholders, each once'
            )

    def to_ours(self, tensor: Tensor) -> Tensor:
        """The numbers in our layout."""
        return tensor.flatten(1) if self.pointwise else tensor

    def to_released(self, tensor: Tensor) -> Tensor:
        """Its inverse."""
        return tensor[..., None, None] if self.pointwise else tensor


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
# The other name of a tensor, and the rule that says it.
Found = tuple[str | None, Rule | Drop | None]


class Renaming:
    """A table of rules, ready to look names up in both directions.

    Args:
        rules: The table; the first rule that matches a name counts.
    """

    def __init__(self, rules: Rules) -> None:
        self._released = _Alternatives((x.released, x) for x in rules)
        self._ours = _Alternatives(
            (x.ours, x) for x in rules if isinstance(x, Rule)
        )

    def from_released(self, name: str) -> Found:
        """Our name and the rule; (None, rule) if dropped, else both None."""
        rule, values = self._released.find(name)
        ours = rule.ours.format(**values) if isinstance(rule, Rule) else None
        return ours, rule

    def from_ours(self, name: str) -> Found:
        """The released name of a tensor of ours and the rule, or None."""
        rule, values = self._ours.find(name)
        released = None if rule is None else rule.released.format(**values)
        return released, rule


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
    return _rename(
        *(state_dict, renaming(rules).from_released, Rule.to_ours),
        'are unknown to the conversion',
    )


def export_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert tensors of ours to released ones, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    return _rename(
        *(state_dict, renaming(rules).from_ours, Rule.to_released),
        'have no released name',
    )


def _rename(
    state_dict: Mapping[str, Tensor],
    find: Callable[[str], Found],
    transform: Callable[[Rule, Tensor], Tensor],
    trouble: str,
) -> dict[str, Tensor]:
    found = {name: find(name) for name in state_dict}
    unknown = [name for name, (_, rule) in found.items() if rule is None]
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(state_dict)} tensors {trouble}: {unknown}'
        )
    renamed: dict[str, Tensor] = {}
    for name, (target, rule) in found.items():
        if target is None or not isinstance(rule, Rule):
            continue
        if target in renamed:
            raise UnmatchedTensorsError(
                f'two tensors would be called {target!r}'
            )
        renamed[target] = transform(rule, state_dict[name])
    return renamed


def _fields(template: str) -> list[str]:
    return re.findall(r'{(\w+)}', template)


class _Alternatives:
    """Templates as one pattern that tells which of them a name fits."""

    def __init__(self, templates: Iterable[tuple[str, Rule | Drop]]) -> None:
        self._rules: dict[int, tuple[Rule | Drop, list[str]]] = {}
        patterns, group = [], 1
        for template, rule in templates:
            self._rules[group] = rule, _fields(template)
            group += 1 + len(_fields(template))
            pattern = re.sub(
                r'\\{(\w+)\\}',
                lambda field: f'({PLACEHOLDERS[field[1]]})',
                re.escape(template),
            )
            patterns.append(f'({pattern})')
        self._pattern = re.compile('|'.join(patterns) or r'(?!)')

    def find(self, name: str) -> tuple[Rule | Drop | None, dict[str, str]]:
        """The first rule whose template fits, and its placeholders."""
        match = self._pattern.fullmatch(name)
        if match is None or match.lastindex is None:
            return None, {}
        # the group that closed last is the one around the whole template
        rule, fields = self._rules[match.lastindex]
        return rule, dict(
            zip(fields, match.groups()[match.lastindex :], strict=False)
        )
