"""Rules for the layers that heads are made of, with their shapes.

A shape is text: the sizes of the network by name, and numbers, for each axis.
"""

from __future__ import annotations

from .rules import Rule, Rules


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
    norm = dict.fromkeys(['weight', 'bias'], weight.split()[0])
    if kind == 'bn':
        norm |= dict.fromkeys(['running_mean', 'running_var'], norm['bias'])
        norm['num_batches_tracked'] = ''
    return (
        *_leaves(released[0], f'{ours}.conv', {'weight': weight}),
        *_leaves(released[1], f'{ours}.{kind}', norm),
    )


def _leaves(released: str, ours: str, shapes: dict[str, str]) -> Rules:
    return tuple(
        Rule(f'{released}.{leaf}', f'{ours}.{leaf}', shape=shape)
        for leaf, shape in shapes.items()
    )
