"""Renaming rules: tables that say what each tensor of a network becomes.

Tables are data, and work in both directions::

    RULES = (
        Rule('fpn.0.{leaf}', 'downsample.0.{leaf}'),
        Rule('mlp.fc1.weight', 'mlp.fc1.weight', pointwise=True),
        Drop('{leaf}.position_index', 'computed from the grid'),
    )
    ours = import_tensors(released, RULES)
    released = export_tensors(ours, RULES)

Templates match whole names. Their placeholders, each at most once in a
template, are ``{index}``, digits, and ``{leaf}``, a name without dots. The
first rule that matches counts, in both directions, and one that matches must
exist: conversions are total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from convmae_mm.checkpoint.errors import UnmatchedTensorsError

Shape = tuple[int, ...]
PLACEHOLDERS = {'index': r'\d+', 'leaf': r'[^.]+'}


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
        released, ours = (
            sorted(re.findall(r'{(\w+)}', x))
            for x in (self.released, self.ours)
        )
        if released != ours or len(set(ours)) < len(ours):
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
# The other name of a tensor, and the rule that says it.
Found = tuple[str | None, Rule | Drop | None]


class Renaming:
    """A table of rules, ready to look names up in both directions.

    Args:
        rules: The table; the first rule that matches a name counts.

    Attributes:
        from_released: Our name for a released one, and the rule; (None, rule)
            if it is dropped, both None if there is no rule.
        from_ours: The released name for one of ours, and the rule, or None.
    """

    def __init__(self, rules: Rules) -> None:
        self.from_released = _finder(rules, 'released', 'ours')
        kept = [x for x in rules if isinstance(x, Rule)]
        self.from_ours = _finder(kept, 'ours', 'released')


@lru_cache(maxsize=64)
def renaming(rules: Rules) -> Renaming:
    """The table of some rules, made once."""
    return Renaming(rules)


def prefixed(rules: Rules, released: str, ours: str) -> Rules:
    """The same rules with a prefix in front of the names on each side."""
    return tuple(
        Rule(released + x.released, ours + x.ours, x.pointwise, x.shape)
        if isinstance(x, Rule)
        else Drop(released + x.released, x.reason)
        for x in rules
    )


def import_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert released tensors to ours, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    find = renaming(rules).from_released
    named = _rename(state_dict, find, 'are unknown to the conversion')
    return {
        name: tensor.flatten(1) if rule.pointwise else tensor
        for name, (tensor, rule) in named.items()
    }


def export_tensors(
    state_dict: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Convert tensors of ours to released ones, in the order of the input.

    Raises:
        UnmatchedTensorsError: If there is no rule for a name, naming every
            such name.
    """
    find = renaming(rules).from_ours
    named = _rename(state_dict, find, 'have no released name')
    return {
        name: tensor[..., None, None] if rule.pointwise else tensor
        for name, (tensor, rule) in named.items()
    }


def _rename(
    state_dict: Mapping[str, Tensor],
    find: Callable[[str], Found],
    trouble: str,
) -> dict[str, tuple[Tensor, Rule]]:
    """The tensors by their other names, each with its rule."""
    found = {name: find(name) for name in state_dict}
    unknown = [name for name, (_, rule) in found.items() if rule is None]
    if unknown:
        raise UnmatchedTensorsError(
            f'{len(unknown)} of {len(state_dict)} tensors {trouble}: {unknown}'
        )
    renamed: dict[str, tuple[Tensor, Rule]] = {}
    for name, (target, rule) in found.items():
        if target in renamed:
            raise UnmatchedTensorsError(
                f'two tensors would be called {target!r}'
            )
        if target and isinstance(rule, Rule):
            renamed[target] = state_dict[name], rule
    return renamed


def _finder(
    rules: Iterable[Rule | Drop], here: str, there: str
) -> Callable[[str], Found]:
    """Look-up of names of one side, by the templates of that name."""
    names: dict[str, Rule | Drop] = {}
    patterns = []
    for rule in rules:
        template = getattr(rule, here)
        if '{' not in template:
            names.setdefault(template, rule)
            continue
        pattern = re.escape(template)
        for field, value in PLACEHOLDERS.items():
            place = re.escape(f'{{{field}}}')
            pattern = pattern.replace(place, f'(?P<{field}>{value})')
        patterns.append((re.compile(pattern), rule))

    def find(name: str) -> Found:
        if name in names:
            return getattr(names[name], there, None), names[name]
        for pattern, rule in patterns:
            if match := pattern.fullmatch(name):
                other = getattr(rule, there, None)
                return other and other.format(**match.groupdict()), rule
        return None, None

    return find
