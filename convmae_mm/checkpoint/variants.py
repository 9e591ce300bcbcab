"""The kinds of files that were released, and the rules for each.

Names of ours are those of whole models in OpenMMLab: ``backbone.*`` for the
encoder, ``neck.*`` and heads for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .backbone_rules import (
    BACKBONE_RULES,
    CLASSIFIER_RULES,
    DECODER_RULES,
    ENCODER_ONLY_DROPS,
)
from .errors import CheckpointError
from .foreign import check_is_convmae
from .head_rules import DETECTOR1_RULES, DETECTOR2_RULES, SEGMENTOR_RULES
from .rules import Rules, prefixed

# Variant -> what the released names of the encoder start with.
BACKBONE_PREFIXES = {
    'backbone': '',
    'classifier': '',
    'pretrain': '',
    'detector1': 'backbone.bottom_up.',
    'detector2': 'backbone.net.',
    'segmentor': 'backbone.',
}
POOLINGS = tuple(CLASSIFIER_RULES)

_HEAD_RULES: dict[str, Rules] = {
    'backbone': ENCODER_ONLY_DROPS,
    'pretrain': DECODER_RULES,
    'detector1': DETECTOR1_RULES,
    'detector2': DETECTOR2_RULES,
    'segmentor': SEGMENTOR_RULES,
}

# The first whose pattern begins a name counts; without any it is 'backbone'.
_SIGNS: tuple[tuple[str, str], ...] = (
    ('detector1', r'backbone\.bottom_up\.'),
    ('detector2', r'backbone\.net\.'),
    ('segmentor', r'backbone\.|decode_head\.'),
    ('pretrain', r'decoder_|mask_token'),
    ('classifier', r'head\.|fc_norm\.'),
)


def find_variant(names: Iterable[str]) -> str:
    """The variant of a file by the released names of its tensors.

    Returns:
        'pretrain', 'classifier', 'detector1', 'detector2', 'segmentor' or
        'backbone'.

    Raises:
        ForeignNetworkError: If they are no ConvMAE network's.
        CheckpointError: If they are our names already.
    """
    names = list(names)
    check_is_convmae(names)
    if uses_our_names(names):
        raise CheckpointError(
            'the tensors have the names of convmae_mm already, such as '
            f'{next(x for x in names if _OURS.search(x))!r}; there is '
            'nothing to convert. `convmae_mm.load(FILE)` builds what a '
            'training of ours saved'
        )
    for variant, sign in _SIGNS:
        if any(re.match(sign, name) for name in names):
            return variant
    return 'backbone'


_OURS = re.compile(r'(^|\.)blocks[12]\.\d+\.depthwise\.')


def uses_our_names(names: Iterable[str]) -> bool:
    """Whether tensors are named as in convmae_mm, not as released."""
    return any(_OURS.search(name) for name in names)


def find_pooling(names: Iterable[str]) -> str:
    """How a released classifier pools: the name of its last norm tells."""
    named_mean = any(name.startswith('fc_norm.') for name in names)
    return 'mean' if named_mean else 'first_token'


def rules_for(variant: str, pooling: str = 'mean') -> Rules:
    """The whole table of a variant.

    Args:
        variant: One of ``BACKBONE_PREFIXES``.
        pooling: 'mean' or 'first_token'; of the classifier.

    Raises:
        ValueError: For an unknown variant or pooling.
    """
    if variant not in BACKBONE_PREFIXES:
        raise ValueError(
            f'unknown {variant=}; choose from {list(BACKBONE_PREFIXES)}'
        )
    if pooling not in POOLINGS:
        raise ValueError(f'unknown {pooling=}; choose from {list(POOLINGS)}')
    prefix = BACKBONE_PREFIXES[variant]
    backbone = prefixed(BACKBONE_RULES, released=prefix, ours='backbone.')
    if variant == 'classifier':
        return backbone + CLASSIFIER_RULES[pooling]
    return backbone + _HEAD_RULES[variant]
