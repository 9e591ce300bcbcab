"""Rename the tensors of a released ConvMAE network to ours.

Pure functions from dict to dict. Every key is renamed, or dropped by a named
rule; anything else raises, so that a wrong file never loads in part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# Where each tensor goes; the first pattern that matches a whole name counts.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r'(pos_embed)', r'backbone.\1'),
    (r'(patch_embed[1-4]\..+)', r'backbone.\1'),
    # released: the depthwise convolution is called attn
    (r'(blocks[12]\.\d+)\.attn\.(.+)', r'backbone.\1.depthwise.\2'),
    (r'(blocks[12]\.\d+\..+)', r'backbone.\1'),
    (r'(blocks3\.\d+\..+)', r'backbone.\1'),
    (
        r'windowed_rel_pos_bias\.relative_position_bias_table',
        'backbone.window_rel_pos.table',
    ),
    (
        r'global_rel_pos_bias\.relative_position_bias_table',
        'backbone.global_rel_pos.table',
    ),
    (r'stage1_output_decode\.(.+)', r'neck.fuse1.\1'),
    (r'stage2_output_decode\.(.+)', r'neck.fuse2.\1'),
    (r'norm\.(.+)', r'neck.norm.\1'),
    (r'decoder_embed\.(.+)', r'neck.embed.\1'),
    (r'(mask_token)', r'neck.\1'),
    (r'decoder_(pos_embed)', r'neck.\1'),
    (r'decoder_(blocks\.\d+\..+)', r'neck.\1'),
    (r'(decoder_norm\..+)', r'neck.\1'),
    (r'decoder_(pred\..+)', r'neck.\1'),
)

# Dropped, and why.
_DROPS: dict[str, str] = {
    r'(windowed|global)_rel_pos_bias\.relative_position_index': (
        'computed from the grid'
    ),
}

# 1x1 convolutions there, linear layers here.
_POINTWISE = re.compile(
    r'backbone\.blocks[12]\.\d+\.(conv[12]|mlp\.fc[12])\.weight'
)


def convert_released_state_dict(
    state_dict: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Convert a released pretraining network, or the paper's detection mode.

    Args:
        state_dict: Tensors by released name.

    Returns:
        Tensors by our names, ``backbone.*`` and, for a pretraining network,
        ``neck.*``, in the order of the input.

    Raises:
        KeyError: If a name is in neither table, naming every such key.
    """
    converted: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state_dict.items():
        if any(re.fullmatch(drop, key) for drop in _DROPS):
            continue
        name = _rename(key)
        if name is None:
            unknown.append(key)
            continue
        converted[name] = (
            tensor.flatten(1) if _POINTWISE.fullmatch(name) else tensor
        )
    if unknown:
        raise KeyError(
            f'{len(unknown)} of {len(state_dict)} keys are none of a released '
            f'ConvMAE pretraining network: {unknown}'
        )
    return converted


def _rename(key: str) -> str | None:
    for pattern, replacement in _RENAMES:
        if re.fullmatch(pattern, key):
            return re.sub(pattern, replacement, key)
    return None
