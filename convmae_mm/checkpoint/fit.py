"""How well weights fit a model: by names and shapes, before anything is set.

Whoever is about to load weights asks :func:`compare` first, because mmengine
logs what does not fit and goes on with random numbers in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

Value = TypeVar('Value')
Shape = tuple[int, ...]

# Counts batches for a momentum that nobody sets: no computation reads it.
COUNTER = 'num_batches_tracked'
# What DistributedDataParallel, averaged models and torch.compile put in front.
WRAPPERS = ('module.', '_orig_mod.')


@dataclass(frozen=True)
class FitReport:
    """Which tensors of a model find a value, by name.

    Attributes:
        matched: In both, of the same shape.
        missing: In the model alone; counters of batches may be absent.
        unexpected: In the weights alone.
        reshaped: In both, of another shape: (weights', model's) by name.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: dict[str, tuple[Shape, Shape]]

    @property
    def share(self) -> float:
        """Of the model's tensors, how many are matched, 0 to 1."""
        wanted = len(self.matched) + len(self.missing) + len(self.reshaped)
        return len(self.matched) / wanted if wanted else 1.0

    @property
    def exact(self) -> bool:
        """Whether everything fits and nothing is left over."""
        return not (self.missing or self.unexpected or self.reshaped)

    def __str__(self) -> str:
        """One line: the share, and an example of each kind of misfit."""
        examples = {
            'missing': [repr(name) for name in self.missing],
            'unexpected': [repr(name) for name in self.unexpected],
            'of another shape': [
                f'{name!r} ({given} instead of {wanted})'
                for name, (given, wanted) in self.reshaped.items()
            ],
        }
        misfits = (
            f'; {len(names)} {kind}, such as {names[0]}'
            for kind, names in examples.items()
            if names
        )
        wanted = len(self.matched) + len(self.missing) + len(self.reshaped)
        return (
            f'{len(self.matched)} of {wanted} tensors fit ({self.share:.0%})'
            + ''.join(misfits)
        )


def compare(
    model: nn.Module | Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> FitReport:
    """Compare the names and shapes of a model's tensors with some weights.

    Nothing is loaded. Prefixes of wrappers do not matter on either side, see
    :func:`unwrap_names`.

    Args:
        model: What is to be loaded, or its state dict.
        weights: What is to be loaded into it: tensors by the model's names.
            Use :func:`convmae_mm.checkpoint.unpack_weights` to find them in
            the content of a file.

    Returns:
        A report in the order of the model's tensors. A test of weights and a
        resume want ``report.exact``; a start from other weights wants
        ``report.share`` above some bound. ``str(report)`` is a line for the
        user.
    """
    state = model.state_dict() if isinstance(model, nn.Module) else model
    wanted = {x: tuple(v.shape) for x, v in unwrap_names(state).items()}
    given = {x: tuple(v.shape) for x, v in unwrap_names(weights).items()}
    return FitReport(
        matched=tuple(x for x in wanted if given.get(x) == wanted[x]),
        missing=tuple(
            x
            for x in wanted
            if x not in given and not x.endswith(f'.{COUNTER}')
        ),
        unexpected=tuple(x for x in given if x not in wanted),
        reshaped={
            x: (given[x], wanted[x])
            for x in wanted
            if x in given and given[x] != wanted[x]
        },
    )


def unwrap_names(state: Mapping[str, Value]) -> dict[str, Value]:
    """The same entries without the prefixes that wrappers put in front.

    ``module.`` and ``_orig_mod.`` go where every name has them, in any
    order; ``_orig_mod.`` also from the middle of names, where a part of a
    model was compiled.
    """
    names = list(state)
    while names and (
        prefix := next(
            (p for p in WRAPPERS if all(n.startswith(p) for n in names)), None
        )
    ):
        names = [name[len(prefix) :] for name in names]
    plain = [name.replace('_orig_mod.', '') for name in names]
    names = plain if len(set(plain)) == len(plain) else names
    return dict(zip(names, state.values(), strict=True))
