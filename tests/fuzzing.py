"""Seeded mutations: whatever is wrong, the error is one of ours.

Each case has a generator of its own, seeded by its number, which a failure
names. CONVMAE_MM_CASES=10000 asks for more cases than the usual number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import torch

from convmae_mm.errors import UserError

ONLY = os.environ.get('CONVMAE_MM_CASE')  # one number, to look at a failure
MOST = int(os.environ.get('CONVMAE_MM_CASES', 0))
WRONG = [
    *(None, True, False, -1, 0, 1, 2, 3, 7, 16, 10**9, 10**400, -(2**63)),
    *(0.5, 1.0, -0.1, 1e300, float('nan'), float('inf'), 1j, b'x', '', 'x'),
    *('mean', 'plain', [], {}, (), [None], [[1]], {'type': 'Nope'}, {1: 2}),
    *([0, 0], [1, 2, 3], [1.5], ['a'], {1, 2}, object(), int, print, range(3)),
    *(torch.ones(2), {'type': 'convmae_mm.ConvMAE'}, slice(2), Ellipsis),
]
# What JSON can hold.
WRONG_JSON = [
    *(None, True, False, -1, 0, 1, 2, 7, 10**9, 10**400, -(2**63), 0.5, -0.1),
    *(
        1e300,
        float('nan'),
        float('inf'),
        '',
        'x',
        '1',
        'ä\n\0',
        '../x',
        [],
        {},
    ),
    *([None], [[1]], [0, 0], [1, 2, 3, 4], ['a'], {'': 1}, {'size': [2, 2]}),
    *([[1, 2, 3, 4, 5, 6]], [[]], {'size': [2, 2], 'counts': [1, 3]}, [{}]),
    {'size': [2, 2], 'counts': 'x'},
]


def cases(usual: int, seed: int = 0) -> Iterator[random.Random]:
    """A generator for each case, ``usual`` of them or as many as asked for."""
    numbers = [int(ONLY)] if ONLY else range(max(usual, MOST))
    for number in numbers:
        draw = random.Random(f'{seed}/{number}')
        draw.number = number  # type: ignore[attr-defined]
        yield draw


def refused(
    draw: random.Random,
    what: Any,
    call: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> str:
    """The words with which a call is refused, empty if it is not.

    Fails for exceptions of other kinds than ours.
    """
    try:
        call(*args, **kwargs)
    except UserError as error:
        assert str(error)
        return str(error)
    except Exception as error:
        number = draw.number  # type: ignore[attr-defined]
        raise AssertionError(
            f'{type(error).__name__} in case {number}: {what}'
        ) from error
    return ''


def mutate(value: Any, draw: random.Random, wrong: list[Any] = WRONG) -> Any:
    """A copy with one value exchanged, dropped, doubled or added, anywhere."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        changed = dict(value)
        key = draw.choice(list(value))
        action = draw.random()
        if action < 0.06:
            del changed[key]
        elif action < 0.12:
            changed[draw.choice(['typo', 'depth_', 'self'])] = value[key]
        else:
            changed[key] = mutate(value[key], draw, wrong)
        return changed
    if isinstance(value, list) and value and draw.random() < 0.7:
        items = list(value)
        index = draw.randrange(len(items))
        action = draw.random()
        if action < 0.1:
            del items[index]
        elif action < 0.2:
            items.append(items[index])
        else:
            items[index] = mutate(items[index], draw, wrong)
        return items
    return draw.choice(wrong)


def mutate_often(
    value: Any, draw: random.Random, wrong: list[Any] = WRONG
) -> Any:
    """One mutation or several; a dict stays one."""
    while True:
        changed = mutate(value, draw, wrong)
        if not isinstance(value, dict) or (
            isinstance(changed, dict)
            and all(isinstance(key, str) for key in changed)
        ):
            value = changed
        if draw.random() < 0.7:
            return value
