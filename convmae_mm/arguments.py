"""What the arguments of a constructor must be, said above its signature.

``@takes(depth=whole(1, 256), rate=number('[)', 0, 1))`` on an ``__init__``
refuses whatever does not fit before the body runs: a wrong type or value, an
unknown name and a missing one alike. Imports nothing heavy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import wraps
from numbers import Integral
from reprlib import Repr
from typing import Any, ParamSpec

from .errors import ConfigError

P = ParamSpec('P')

_short = Repr()
_short.maxstring = _short.maxother = 80


@dataclass(frozen=True)
class Rule:
    """A condition on a value, and its words: 'must be ...'."""

    meaning: str
    holds: Callable[[Any], bool]

    def __or__(self, other: Rule) -> Rule:
        """The rule that one of the two holds."""
        return Rule(
            f'{self.meaning}, or {other.meaning}',
            lambda value: self.holds(value) or other.holds(value),
        )

    def check(self, name: str, value: Any) -> None:
        """Raise a ConfigError unless ``value`` fits."""
        if not self.holds(value):
            raise ConfigError(
                f'{name}={_short.repr(value)} must be {self.meaning}'
            )


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole(least: int, most: int, multiple_of: int = 1) -> Rule:
    """A whole number from ``least`` to ``most``; True is none."""
    divisible = f', divisible by {multiple_of}' if multiple_of > 1 else ''
    return Rule(
        f'a whole number from {least} to {most}{divisible}',
        lambda value: (
            _is_whole(value)
            and least <= value <= most
            and value % multiple_of == 0
        ),
    )


def number(brackets: str, low: float, high: float) -> Rule:
    """A number in an interval: brackets '[)' take ``low``, not ``high``."""

    def holds(value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return low < value < high or (
            (brackets[0] == '[' and value == low)
            or (brackets[1] == ']' and value == high)
        )

    interval = f'{brackets[0]}{low}, {high}{brackets[1]}'
    return Rule(f'a number in {interval}', holds)


def one_of(*values: Any) -> Rule:
    """One of these values."""
    return Rule(
        f'one of {", ".join(map(repr, values))}',
        lambda value: any(
            type(value) is type(known) and value == known for known in values
        ),
    )


def each(rule: Rule, count: int | None = None, least: int = 1) -> Rule:
    """A sequence of ``count``, or at least ``least``, that keep ``rule``."""

    def holds(value: Any) -> bool:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return False
        fits = len(value) == count if count else len(value) >= least
        return fits and all(map(rule.holds, value))

    many = count or f'at least {least}'
    return Rule(f'a sequence of {many}, each {rule.meaning}', holds)


def instance(words: str, *types: type) -> Rule:
    """A value of one of these types."""
    return Rule(words, lambda value: isinstance(value, types))


FLAG = instance('True or False', bool)
CONFIG = Rule(
    'a dict whose keys are names',
    lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(key, str) for key in value)
    ),
)
INIT_CFG = CONFIG | each(CONFIG)


def takes(
    **rules: Rule,
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Check what an ``__init__`` is given; a default is always taken.

    Raises:
        ConfigError: From the constructor, with the class, the argument, its
            value and what it must be.
    """

    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        signature = inspect.signature(init)
        unknown = set(rules) - set(signature.parameters)
        assert not unknown, f'{unknown} are no arguments of {init}'

        @wraps(init)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            owner = type(args[0]).__name__
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                names = ', '.join(list(signature.parameters)[1:])
                near = [
                    name
                    for wrong in kwargs
                    if wrong not in signature.parameters
                    for name in get_close_matches(
                        wrong, signature.parameters, 1
                    )
                ]
                meant = f'; is {", ".join(near)} meant?' if near else ''
                raise ConfigError(
                    f'{owner} takes {names}: {error}{meant}'
                ) from None
            for name, rule in rules.items():
                if name not in given:
                    continue
                if given[name] is not signature.parameters[name].default:
                    rule.check(f'{owner}: {name}', given[name])
            init(*args, **kwargs)

        return checked

    return decorate
