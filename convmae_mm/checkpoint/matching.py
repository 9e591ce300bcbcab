"""Check that a file holds a whole released network, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .errors import UnmatchedTensorsError
from .expected import (
    Expected,
    expected_backbone,
    expected_classifier,
    expected_decoder,
    optional_backbone,
    with_prefix,
)
from .expected_heads import expected_detector, expected_segmentor
from .facts import BackboneFacts, Shapes, read_backbone, shapes_below
from .rules import Drop, match_released
from .variants import (
    BACKBONE_PREFIXES,
    find_pooling,
    find_variant,
    rules_for,
)


def check_complete(
    state_dict: Mapping[str, Tensor], variant: str | None = None
) -> None:
    """Check every name and shape against what the whole network must have.

    The network is the one that most of the tensors describe. Index buffers
    may be missing, as they follow from the tables they belong to.

    Args:
        state_dict: Tensors by released name.
        variant: What it should be; found out by default.

    Raises:
        ForeignNetworkError: If it is no ConvMAE network at all.
        UnmatchedTensorsError: Naming every tensor that is missing,
            unexpected or of a wrong shape.
    """
    variant = variant or find_variant(state_dict)
    shapes = read_shapes(state_dict)
    expected = expected_tensors(shapes, variant)
    optional = with_prefix(
        optional_backbone(read_facts(shapes, variant)),
        BACKBONE_PREFIXES[variant],
    )
    rules = rules_for(variant, find_pooling(shapes))
    missing = [name for name in expected if name not in shapes]
    unexpected = [
        name
        for name in shapes
        if name not in expected
        and not isinstance(match_released(rules, name), Drop)
    ]
    wrong = [
        f'{name!r} has {shape} instead of {_show(wanted)}'
        for name, shape in shapes.items()
        if (wanted := (expected | optional).get(name)) is not None
        and not _fits(shape, wanted)
    ]
    if missing or unexpected or wrong:
        raise UnmatchedTensorsError(
            _tell(variant, len(shapes), missing, unexpected, wrong)
        )


def expected_tensors(shapes: Shapes, variant: str) -> Expected:
    """Names and shapes that a network of this variant must have."""
    facts = read_facts(shapes, variant)
    prefix = BACKBONE_PREFIXES[variant]
    backbone = with_prefix(expected_backbone(facts), prefix)
    if variant == 'pretrain':
        return backbone | expected_decoder(shapes, facts)
    if variant == 'classifier':
        pooling = find_pooling(shapes)
        return backbone | expected_classifier(shapes, facts, pooling)
    if variant in ('detector1', 'detector2'):
        return backbone | expected_detector(shapes, facts, variant)
    if variant == 'segmentor':
        return backbone | expected_segmentor(shapes, facts)
    return backbone


def read_shapes(state_dict: Mapping[str, Tensor]) -> Shapes:
    """The shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in state_dict.items()}


def read_facts(shapes: Shapes, variant: str) -> BackboneFacts:
    """What the encoder inside a network of this variant is."""
    prefix = BACKBONE_PREFIXES[variant]
    return read_backbone(shapes_below(shapes, prefix))


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        b is None or a == b for a, b in zip(shape, wanted, strict=True)
    )


def _show(wanted: tuple[int | None, ...]) -> str:
    sizes = ', '.join(
        '?' if size is None or size < 0 else str(size) for size in wanted
    )
    return f'({sizes},)' if len(wanted) == 1 else f'({sizes})'


def _tell(
    variant: str,
    total: int,
    missing: list[str],
    unexpected: list[str],
    wrong: list[str],
) -> str:
    parts = []
    if missing:
        parts.append(f'missing: {missing}')
    if unexpected:
        parts.append(f'unexpected: {unexpected}')
    if wrong:
        parts.append('wrong shape: ' + ', '.join(wrong))
    return (
        f'these {total} tensors should be a released ConvMAE network '
        f'({variant}), but ' + '; '.join(parts)
    )
