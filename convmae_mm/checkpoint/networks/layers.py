"""Rules for the layers that heads are made of, with their shapes."""

from __future__ import annotations

from collections.abc import Callable

from .encoder import Encoder
from .network import Part
from .rules import Rule, Rules, Shape, Sizes

ShapeOf = Callable[[Sizes], Shape]


def affine(released: str, ours: str, weight: ShapeOf, bias: int = 0) -> Rules:
    """A layer with a weight, and a bias for one of its axes.

    Args:
        released: Stem of the released names.
        ours: Stem of our names.
        weight: The shape of the weight.
        bias: The axis; 1 of a transposed convolution.
    """
    return (
        Rule(f'{released}.weight', f'{ours}.weight', shape=weight),
        Rule(
            f'{released}.bias',
            f'{ours}.bias',
            shape=lambda sizes: weight(sizes)[bias : bias + 1],
        ),
    )


def norm(released: str, ours: str, kind: str, weight: ShapeOf) -> Rules:
    """A norm of the first axis of a convolution.

    Args:
        released: Stem of the released names.
        ours: Stem of our names.
        kind: 'ln', or 'bn', which has running statistics.
        weight: The shape of the convolution's weight.
    """
    leaves = ['weight', 'bias']
    if kind == 'bn':
        leaves += ['running_mean', 'running_var']
    rules = tuple(
        Rule(
            f'{released}.{leaf}',
            f'{ours}.{leaf}',
            shape=lambda sizes: weight(sizes)[:1],
        )
        for leaf in leaves
    )
    if kind == 'ln':
        return rules
    counter = 'num_batches_tracked'
    return (
        *rules,
        Rule(f'{released}.{counter}', f'{ours}.{counter}', shape=lambda _: ()),
    )


def expect_by(
    rules: Rules,
) -> Callable[[Part, Encoder], dict[str, Shape]]:
    """What a network has beside the encoder, as its rules say.

    The shapes in the rules are functions of the part's sizes, and of c1, c2
    and c3, the channels of the encoder's stages.
    """

    def expect(part: Part, encoder: Encoder) -> dict[str, Shape]:
        widths = zip(('c1', 'c2', 'c3'), encoder.embed_dims, strict=True)
        sizes = {**part, **dict(widths)}
        return {
            rule.ours: rule.shape(sizes)
            for rule in rules
            if isinstance(rule, Rule) and rule.shape is not None
        }

    return expect
