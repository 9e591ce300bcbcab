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
_STAGE3 = 'blocks3.{index}'

# What every transformer block has, of the encoder and of the decoder.
TRANSFORMER_LAYERS = (
    *('norm1.{leaf}', 'norm2.{leaf}', 'attn.qkv.{leaf}', 'attn.proj.{leaf}'),
    *('mlp.fc1.{leaf}', 'mlp.fc2.{leaf}'),
)

# Released names and ours, without prefix on either side.
ENCODER_RULES: Rules = (
    Rule('pos_embed', 'pos_embed'),
    Rule('patch_embed{index}.proj.{leaf}', 'patch_embed{index}.proj.{leaf}'),
    Rule('patch_embed{index}.norm.{leaf}', 'patch_embed{index}.norm.{leaf}'),
    Rule('patch_embed4.{leaf}', 'patch_embed4.{leaf}'),
    *(
        rule
        for stage in ('blocks1.{index}', 'blocks2.{index}')
        for rule in (
            # released: the depthwise convolution is called attn
            Rule(f'{stage}.attn.{{leaf}}', f'{stage}.depthwise.{{leaf}}'),
            *(
                Rule(
                    f'{stage}.{x}.{leaf}',
                    f'{stage}.{x}.{leaf}',
                    leaf == 'weight',
                )
                for leaf in ('weight', 'bias')
                for x in ('conv1', 'conv2', 'mlp.fc1', 'mlp.fc2')
            ),
            Rule(f'{stage}.norm1.{{leaf}}', f'{stage}.norm1.{{leaf}}'),
            Rule(f'{stage}.norm2.{{leaf}}', f'{stage}.norm2.{{leaf}}'),
        )
    ),
    *(Rule(f'{_STAGE3}.{x}', f'{_STAGE3}.{x}') for x in TRANSFORMER_LAYERS),
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
