"""The names and shapes that a released network must have.

Pure functions from facts to tables of shapes by released name. None in a
shape is a size that no tensor tells, because the one that would is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convmae_mm.variants import PATCH_SIZE

from .facts import (
    DISPUTED,
    BackboneFacts,
    Shapes,
    count_blocks,
    possible_grids,
    side_of_table,
    vote,
)

Size = int | None
Expected = dict[str, tuple[Size, ...]]

PATCH_CELLS = {1: 4, 2: 2, 3: 2}  # kernel = stride of the patch embeddings
DEPTHWISE_KERNEL = 5


def expected_backbone(facts: BackboneFacts) -> Expected:
    """Every parameter and buffer of an encoder, without prefix."""
    c3 = facts.embed_dims[2]
    facts = _dispute_tables(facts)
    expected: Expected = {'pos_embed': (1, facts.num_positions, c3)}
    inputs = (facts.in_channels, *facts.embed_dims)
    for stage, cells in PATCH_CELLS.items():
        stem, size = f'patch_embed{stage}', facts.embed_dims[stage - 1]
        kernel = (size, inputs[stage - 1], cells, cells)
        expected |= affine(f'{stem}.proj', kernel)
        expected |= affine(f'{stem}.norm', (size,))
    expected |= affine('patch_embed4', (c3, c3))
    for stage in (1, 2):
        for index in range(facts.depths[stage - 1]):
            expected |= _conv_block(
                f'blocks{stage}.{index}',
                facts.embed_dims[stage - 1],
                facts.hidden_dims[stage - 1],
            )
    for index in range(facts.depths[2]):
        stem = f'blocks3.{index}'
        expected |= transformer_block(stem, c3, facts.hidden_dims[2])
    return expected | _mode_tensors(facts)


def optional_backbone(facts: BackboneFacts) -> Expected:
    """Index buffers, which follow from the tables and may be missing."""
    if facts.mode == 'seg':
        length = facts.num_positions
        return {
            f'blocks3.{index}.attn.relative_position_index': (length, length)
            for index in range(facts.depths[2])
        }
    if facts.mode not in ('detection', 'mimdet'):
        return {}
    window = None
    side = side_of_table(facts.window_rows) if facts.window_rows else None
    if side is not None:
        window = side**2
    length = facts.num_positions
    return {
        'windowed_rel_pos_bias.relative_position_index': (window, window),
        'global_rel_pos_bias.relative_position_index': (length, length),
    }


def expected_decoder(shapes: Shapes, backbone: BackboneFacts) -> Expected:
    """What a pretraining network has beside the encoder."""
    c1, c2, c3 = backbone.embed_dims
    width = vote(
        shapes,
        (r'decoder_(embed|norm)\.(weight|bias)', 0),
        (r'decoder_blocks\.\d+\.norm[12]\.(weight|bias)', 0),
        ('mask_token', 2),
    )
    hidden = vote(shapes, (r'decoder_blocks\.\d+\.mlp\.fc1\.\w+', 0))
    pixels = vote(shapes, (r'decoder_pred\.(weight|bias)', 0))
    if backbone.in_channels is not None:
        pixels = PATCH_SIZE**2 * backbone.in_channels
    expected: Expected = {
        'mask_token': (1, 1, width),
        'decoder_pos_embed': (1, backbone.num_positions, width),
        **affine('stage1_output_decode', (c3, c1, 4, 4)),
        **affine('stage2_output_decode', (c3, c2, 2, 2)),
        **affine('norm', (c3,)),
        **affine('decoder_embed', (width, c3)),
        **affine('decoder_norm', (width,)),
        **affine('decoder_pred', (pixels, width)),
    }
    for index in range(count_blocks(shapes, 'decoder_blocks')):
        stem = f'decoder_blocks.{index}'
        expected |= transformer_block(stem, width, hidden)
    return expected


def expected_classifier(
    shapes: Shapes, backbone: BackboneFacts, pooling: str
) -> Expected:
    """What a classifier has beside the encoder."""
    c3 = backbone.embed_dims[2]
    num_classes = vote(shapes, (r'head\.(weight|bias)', 0))
    norm = {'mean': 'fc_norm', 'first_token': 'norm'}[pooling]
    return affine(norm, (c3,)) | affine('head', (num_classes, c3))


def affine(stem: str, weight: tuple[Size, ...]) -> Expected:
    """A layer with a weight, and a bias for its first axis."""
    return {f'{stem}.weight': weight, f'{stem}.bias': weight[:1]}


def batch_norm(stem: str, channels: Size) -> Expected:
    """A BatchNorm with its running statistics."""
    return {
        **affine(stem, (channels,)),
        f'{stem}.running_mean': (channels,),
        f'{stem}.running_var': (channels,),
        f'{stem}.num_batches_tracked': (),
    }


def transformer_block(stem: str, channels: Size, hidden: Size) -> Expected:
    """A transformer block, of the encoder and of the decoder."""
    triple = None if channels is None else 3 * channels
    return {
        **affine(f'{stem}.norm1', (channels,)),
        **affine(f'{stem}.attn.qkv', (triple, channels)),
        **affine(f'{stem}.attn.proj', (channels, channels)),
        **affine(f'{stem}.norm2', (channels,)),
        **affine(f'{stem}.mlp.fc1', (hidden, channels)),
        **affine(f'{stem}.mlp.fc2', (channels, hidden)),
    }


def _dispute_tables(facts: BackboneFacts) -> BackboneFacts:
    """Mark tables that are for no grid, or contradict each other."""
    if facts.window_rows and side_of_table(facts.window_rows) is None:
        facts = replace(facts, window_rows=DISPUTED)
    if facts.global_rows and facts.num_positions:
        if not possible_grids(facts):
            facts = replace(
                facts, global_rows=DISPUTED, num_positions=DISPUTED
            )
    return facts


def _conv_block(stem: str, channels: Size, hidden: Size) -> Expected:
    depthwise = (channels, 1, DEPTHWISE_KERNEL, DEPTHWISE_KERNEL)
    return {
        **affine(f'{stem}.norm1', (channels,)),
        **affine(f'{stem}.conv1', (channels, channels, 1, 1)),
        **affine(f'{stem}.attn', depthwise),
        **affine(f'{stem}.conv2', (channels, channels, 1, 1)),
        **affine(f'{stem}.norm2', (channels,)),
        **affine(f'{stem}.mlp.fc1', (hidden, channels, 1, 1)),
        **affine(f'{stem}.mlp.fc2', (channels, hidden, 1, 1)),
    }


def _mode_tensors(facts: BackboneFacts) -> Expected:
    """What one mode alone has."""
    c3, heads = facts.embed_dims[2], facts.table_heads
    blocks = [f'blocks3.{index}' for index in range(facts.depths[2])]
    table = 'relative_position_bias_table'
    expected: Expected = {}
    if facts.mode in ('detection', 'mimdet'):
        rows = facts.window_rows
        expected[f'windowed_rel_pos_bias.{table}'] = (rows, heads)
        expected[f'global_rel_pos_bias.{table}'] = (facts.global_rows, heads)
    elif facts.mode == 'vitdet':
        for block, (height, width) in zip(
            blocks, facts.axis_rows, strict=True
        ):
            channels = facts.head_channels
            expected[f'{block}.attn.rel_pos_h'] = (height, channels)
            expected[f'{block}.attn.rel_pos_w'] = (width, channels)
    elif facts.mode == 'seg':
        for block in blocks:
            expected[f'{block}.attn.{table}'] = (facts.global_rows, heads)
            expected[f'{block}.gamma_1'] = (c3,)
            expected[f'{block}.gamma_2'] = (c3,)
        expected |= affine('fpn.0', (c3, c3, 3, 3)) | batch_norm('fpn.1', c3)
    return expected


def with_prefix(expected: Mapping, prefix: str) -> Expected:
    """The same table with a prefix in front of every name."""
    return {prefix + name: shape for name, shape in expected.items()}
