"""The names of the encoder, as released and as ours.

One table covers all five modes, since what only one mode has is called
differently in each.
"""

from __future__ import annotations

from .rules import Drop, Rule, Rules

BACKBONE = 'backbone.'  # in front of our names in a whole network
WINDOW_TABLE = 'window_rel_pos.table'
# The end of a released name of a table, and of its index buffer.
RELEASED_TABLE = 'relative_position_bias_table'
RELEASED_INDEX = 'relative_position_index'

_INDEX_REASON = 'computed from the grid of its table'
_CONV_STAGES = ('blocks1.{index}', 'blocks2.{index}')
_STAGE3 = 'blocks3.{index}'

# What every transformer block has, of the encoder and of the decoder.
TRANSFORMER_LAYERS = (
    *('norm1.{leaf}', 'norm2.{leaf}', 'attn.qkv.{leaf}', 'attn.proj.{leaf}'),
    *('mlp.fc1.{leaf}', 'mlp.fc2.{leaf}'),
)

# What is called the same on both sides.
_SAME = (
    *('pos_embed', 'patch_embed4.{leaf}'),
    *('patch_embed{index}.proj.{leaf}', 'patch_embed{index}.norm.{leaf}'),
    *(f'{x}.norm1.{{leaf}}' for x in _CONV_STAGES),
    *(f'{x}.norm2.{{leaf}}' for x in _CONV_STAGES),
    *(f'{_STAGE3}.{x}' for x in TRANSFORMER_LAYERS),
)
# 1x1 convolutions there.
_POINTWISE = [
    f'{stage}.{x}'
    for stage in _CONV_STAGES
    for x in ('conv1', 'conv2', 'mlp.fc1', 'mlp.fc2')
]

# Released names and ours, without prefix on either side.
ENCODER_RULES: Rules = (
    *(Rule(x, x) for x in _SAME),
    *(Rule(f'{x}.weight', f'{x}.weight', True) for x in _POINTWISE),
    *(Rule(f'{x}.bias', f'{x}.bias') for x in _POINTWISE),
    # released: the depthwise convolution is called attn
    *(
        Rule(f'{x}.attn.{{leaf}}', f'{x}.depthwise.{{leaf}}')
        for x in _CONV_STAGES
    ),
    # modes detection and mimdet: a table for the window blocks, one for the
    # global blocks
    Rule(f'windowed_rel_pos_bias.{RELEASED_TABLE}', WINDOW_TABLE),
    Rule(f'global_rel_pos_bias.{RELEASED_TABLE}', 'global_rel_pos.table'),
    Drop(f'windowed_rel_pos_bias.{RELEASED_INDEX}', _INDEX_REASON),
    Drop(f'global_rel_pos_bias.{RELEASED_INDEX}', _INDEX_REASON),
    # mode vitdet: decomposed, per block
    Rule(f'{_STAGE3}.attn.rel_pos_h', f'{_STAGE3}.attn.rel_pos.height'),
    Rule(f'{_STAGE3}.attn.rel_pos_w', f'{_STAGE3}.attn.rel_pos.width'),
    # mode seg: a table per block, LayerScale, E4 by a convolution
    Rule(f'{_STAGE3}.attn.{RELEASED_TABLE}', f'{_STAGE3}.attn.rel_pos.table'),
    Drop(f'{_STAGE3}.attn.{RELEASED_INDEX}', _INDEX_REASON),
    Rule(f'{_STAGE3}.gamma_1', f'{_STAGE3}.scale1.weight'),
    Rule(f'{_STAGE3}.gamma_2', f'{_STAGE3}.scale2.weight'),
    Rule('fpn.0.{leaf}', 'downsample.0.{leaf}'),
    Rule('fpn.1.{leaf}', 'downsample.1.{leaf}'),
)
