"""Names of the encoder, the pretraining decoder and the classifier.

One table covers the encoder in all five modes, since what only one mode has
is called differently in each. Names here have no prefix on either side but
where a neck or head is meant; see :mod:`.variants`.
"""

from __future__ import annotations

from .rules import POINTWISE, Drop, Rule, Rules

_INDEX_REASON = 'computed from the grid of its table'

_CONV_BLOCKS: Rules = tuple(
    rule
    for stage in ('blocks1.{index}', 'blocks2.{index}')
    for rule in (
        # released: the depthwise convolution is called attn
        Rule(f'{stage}.attn.{{leaf}}', f'{stage}.depthwise.{{leaf}}'),
        *(
            Rule(f'{stage}.{name}.weight', f'{stage}.{name}.weight', POINTWISE)
            for name in ('conv1', 'conv2', 'mlp.fc1', 'mlp.fc2')
        ),
        *(
            Rule(f'{stage}.{name}.bias', f'{stage}.{name}.bias')
            for name in ('conv1', 'conv2', 'mlp.fc1', 'mlp.fc2')
        ),
        Rule(f'{stage}.norm1.{{leaf}}', f'{stage}.norm1.{{leaf}}'),
        Rule(f'{stage}.norm2.{{leaf}}', f'{stage}.norm2.{{leaf}}'),
    )
)

# What every transformer block has, of the encoder and of the decoder.
_TRANSFORMER_LAYERS = (
    *('norm1.{leaf}', 'norm2.{leaf}', 'attn.qkv.{leaf}', 'attn.proj.{leaf}'),
    *('mlp.fc1.{leaf}', 'mlp.fc2.{leaf}'),
)

_STAGE3 = 'blocks3.{index}'

BACKBONE_RULES: Rules = (
    Rule('pos_embed', 'pos_embed'),
    Rule('patch_embed{index}.proj.{leaf}', 'patch_embed{index}.proj.{leaf}'),
    Rule('patch_embed{index}.norm.{leaf}', 'patch_embed{index}.norm.{leaf}'),
    Rule('patch_embed4.{leaf}', 'patch_embed4.{leaf}'),
    *_CONV_BLOCKS,
    *(
        Rule(f'{_STAGE3}.{layer}', f'{_STAGE3}.{layer}')
        for layer in _TRANSFORMER_LAYERS
    ),
    # modes detection and mimdet: a table for the window blocks, one for the
    # global blocks
    Rule(
        'windowed_rel_pos_bias.relative_position_bias_table',
        'window_rel_pos.table',
    ),
    Rule(
        'global_rel_pos_bias.relative_position_bias_table',
        'global_rel_pos.table',
    ),
    Drop('windowed_rel_pos_bias.relative_position_index', _INDEX_REASON),
    Drop('global_rel_pos_bias.relative_position_index', _INDEX_REASON),
    # mode vitdet: decomposed, per block
    Rule(f'{_STAGE3}.attn.rel_pos_h', f'{_STAGE3}.attn.rel_pos.height'),
    Rule(f'{_STAGE3}.attn.rel_pos_w', f'{_STAGE3}.attn.rel_pos.width'),
    # mode seg: a table per block, LayerScale, E4 by a convolution
    Rule(
        f'{_STAGE3}.attn.relative_position_bias_table',
        f'{_STAGE3}.attn.rel_pos.table',
    ),
    Drop(f'{_STAGE3}.attn.relative_position_index', _INDEX_REASON),
    Rule(f'{_STAGE3}.gamma_1', f'{_STAGE3}.scale1.weight'),
    Rule(f'{_STAGE3}.gamma_2', f'{_STAGE3}.scale2.weight'),
    Rule('fpn.0.{leaf}', 'downsample.0.{leaf}'),
    Rule('fpn.1.{leaf}', 'downsample.1.{leaf}'),
)

DECODER_RULES: Rules = (
    Rule('stage1_output_decode.{leaf}', 'neck.fuse1.{leaf}'),
    Rule('stage2_output_decode.{leaf}', 'neck.fuse2.{leaf}'),
    Rule('norm.{leaf}', 'neck.norm.{leaf}'),
    Rule('decoder_embed.{leaf}', 'neck.embed.{leaf}'),
    Rule('mask_token', 'neck.mask_token'),
    Rule('decoder_pos_embed', 'neck.pos_embed'),
    *(
        Rule(
            f'decoder_blocks.{{index}}.{layer}',
            f'neck.blocks.{{index}}.{layer}',
        )
        for layer in _TRANSFORMER_LAYERS
    ),
    Rule('decoder_norm.{leaf}', 'neck.decoder_norm.{leaf}'),
    Rule('decoder_pred.{leaf}', 'neck.pred.{leaf}'),
)

# By pooling, which only the name of the norm tells.
CLASSIFIER_RULES: dict[str, Rules] = {
    'mean': (
        Rule('fc_norm.{leaf}', 'neck.norm.{leaf}'),
        Rule('head.{leaf}', 'head.fc.{leaf}'),
    ),
    'first_token': (
        Rule('norm.{leaf}', 'neck.norm.{leaf}'),
        Rule('head.{leaf}', 'head.fc.{leaf}'),
    ),
}

# Files with the encoder of a pretraining network alone keep what followed it.
ENCODER_ONLY_DROPS: Rules = tuple(
    Drop(f'{name}.{{leaf}}', 'part of the decoder, which the file lacks')
    for name in ('norm', 'stage1_output_decode', 'stage2_output_decode')
)
