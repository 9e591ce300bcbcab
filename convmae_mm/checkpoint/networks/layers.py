"""Rules for the layers that heads are made of, with their shapes.

A shape is text: the sizes of the network by name, and numbers, for each axis.
"""

from __future__ import annotations

from collections.abc import Callable

from .encoder import Encoder
from .network import Part
from .reader import Reader, Source
from .rules import Rule, Rules, Shape


def affine(released: str, ours: str, weight: str, bias: int = 0) -> Rules:
    """A layer with a weight, and a bias for one of its axes.

    Args:
        released: Stem of the released names.
        ours: Stem of our names.
        weight: The shape of the weight.
        bias: The axis; 1 of a transposed convolution.
    """
    return _leaves(
        released, ours, {'weight': weight, 'bias': weight.split()[bias]}
    )


def conv_norm(
    released: tuple[str, str], ours: str, kind: str, weight: str
) -> Rules:
    """A convolution without bias and its norm: a ConvModule of mmcv.

    Args:
        released: Stems of the released names of the two.
        ours: Stem of our names.
        kind: 'ln', or 'bn', which has running statistics.
        weight: The shape of the convolution's weight.
    """
    leaves = ['weight', 'bias']
    counter = {}
    if kind == 'bn':
        leaves += ['running_mean', 'running_var']
        counter = {'num_batches_tracked': ''}
    norm = dict.fromkeys(leaves, weight.split()[0]) | counter
    return (
        *_leaves(released[0], f'{ours}.conv', {'weight': weight}),
        *_leaves(released[1], f'{ours}.{kind}', norm),
    )


def read_by(
    rules: Rules, *names: str, optional: str = ''
) -> Callable[[Reader, Encoder], Part]:
    """Sizes of a part by name, as those tensors agree whose rules have them.

    One that no tensor tells is 1, to go on with, or None if it is optional.
    """
    places: dict[str, list[Source]] = {name: [] for name in names}
    for rule in rules:
        if isinstance(rule, Rule) and rule.shape is not None:
            for axis, name in enumerate(rule.shape.split()):
                if name in places:
                    places[name].append((rule.ours, axis))

    def read(reader: Reader, encoder: Encoder) -> Part:
        part = {name: reader.size_at(found) for name, found in places.items()}
        return {
            name: 1 if size is None and name != optional else size
            for name, size in part.items()
        }

    return read


def expect_by(
    rules: Rules,
    derive: Callable[[dict[str, int]], dict[str, int]] = lambda sizes: {},
) -> Callable[[Part, Encoder], dict[str, Shape]]:
    """What a network has beside the encoder, as its rules say.

    The shapes in the rules are of the part's sizes, of c1, c2 and c3, the
    channels of the encoder's stages, and of what derives from them.
    """

    def expect(part: Part, encoder: Encoder) -> dict[str, Shape]:
        widths = zip(('c1', 'c2', 'c3'), encoder.embed_dims, strict=True)
        sizes = {**part, **dict(widths)}
        sizes |= derive(sizes)
        return {
            rule.ours: tuple(
                int(x) if x.isdigit() else sizes[x] for x in rule.shape.split()
            )
            for rule in rules
            if isinstance(rule, Rule) and rule.shape is not None
        }

    return expect


def _leaves(released: str, ours: str, shapes: dict[str, str]) -> Rules:
    return tuple(
        Rule(f'{released}.{leaf}', f'{ours}.{leaf}', shape=shape)
        for leaf, shape in shapes.items()
    )
