"""Sizes that the tensors of a network agree on.

Each is what most of the tensors that know it say, so that one tensor that is
missing or wrongly shaped can be told from the others.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .rules import Shape

Source = tuple[str, int]


class Reader:
    """Read sizes off the shapes of tensors.

    Args:
        shapes: By our names.

    Attributes:
        disputed: The axes of tensors that contradict each other, by whole
            name: nothing tells which of them is right.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self.disputed: dict[str, set[int]] = defaultdict(set)
        self._prefix = ''

    def below(self, prefix: str) -> Reader:
        """The tensors whose names start with a prefix, without it."""
        names = [name for name in self.shapes if name.startswith(prefix)]
        part = Reader({x[len(prefix) :]: self.shapes[x] for x in names})
        part.disputed, part._prefix = self.disputed, prefix
        return part

    def size(self, *sources: Source) -> int | None:
        """The size that most tensors have; None if none tells.

        Args:
            sources: Patterns of whole names, and the axis that tells it.
        """
        return self.size_at(self._find(sources))

    def size_at(self, places: Iterable[Source]) -> int | None:
        """As :meth:`size`, of whole names; those of no tensor are ignored."""
        votes = [
            (name, axis, self.shapes[name][axis])
            for name, axis in places
            if len(self.shapes.get(name, ())) > axis
        ]
        if not votes:
            return None
        counts = Counter(size for _, _, size in votes).most_common()
        first, most = counts[0]
        even = {size for size, count in counts if count == most}
        if len(even) > 1:
            for name, axis, size in votes:
                if size in even:
                    self.disputed[self._prefix + name].add(axis)
        return first

    def known(self, *sources: Source, default: int = 1) -> int:
        """As :meth:`size`, with something to go on with if none tells."""
        size = self.size(*sources)
        return default if size is None else size

    def dispute(self, *sources: Source) -> None:
        """Say that sizes make no sense, alone or together."""
        for name, axis in self._find(sources):
            self.disputed[self._prefix + name].add(axis)

    def count(self, pattern: str) -> int:
        """How many whole names match a pattern."""
        return sum(1 for x in self.shapes if re.fullmatch(pattern, x))

    def depth(self, stem: str) -> int:
        """Number of the blocks ``<stem>.<index>.*``, at least 1.

        An index with few tensors comes from a name that is wrong, and does
        not make a block.
        """
        found = (re.match(rf'{stem}\.(\d+)\.', x) for x in self.shapes)
        sizes = Counter(int(match[1]) for match in found if match)
        half = max(sizes.values(), default=0) / 2
        whole = [index for index, size in sizes.items() if size > half]
        return max(whole, default=0) + 1

    def _find(self, sources: tuple[Source, ...]) -> Iterator[Source]:
        for pattern, axis in sources:
            compiled = re.compile(pattern)
            for name, shape in self.shapes.items():
                if len(shape) > axis and compiled.fullmatch(name):
                    yield name, axis


def ratio(part: int, whole: int) -> int | float:
    """The number that ``int(whole * number)`` is ``part`` for."""
    number = part / max(whole, 1)
    if int(whole * number) < part:
        number = math.nextafter(number, math.inf)
    return int(number) if number == int(number) else number


def shapes_of(module: nn.Module, prefix: str = '') -> dict[str, Shape]:
    """The shape of each tensor of a module."""
    return {
        f'{prefix}{name}': tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
    }


class Outlined(TorchFunctionMode):
    """Modules built inside have shapes and nothing else.

    Their parameters are on the ``meta`` device, and whatever would draw
    numbers in place is left out. Other tensors are computed as ever: torch
    takes a second to learn how to do so without numbers.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        """Leave out what works in place, but for what is no number."""
        kwargs = kwargs or {}
        if func in (torch.empty, torch.zeros, torch.ones):
            kwargs = {**kwargs, 'device': 'meta'}
        name = getattr(func, '__name__', '')
        if name.endswith('_') and not name.endswith(('__', 'requires_grad_')):
            # by name from torch.nn.init, by place from methods
            return args[0] if args else kwargs['tensor']
        return func(*args, **kwargs)
