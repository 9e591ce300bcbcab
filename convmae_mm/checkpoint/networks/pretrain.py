"""The released pretraining: ConvMAE and FastConvMAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import ConfigDict

from convmae_mm.checkpoint.errors import CheckpointError
from convmae_mm.models.necks.pretrain_decoder import ConvMAEPretrainDecoder
from convmae_mm.variants import PATCH_SIZE

from .encoder import Encoder
from .encoder_rules import TRANSFORMER_LAYERS
from .grids import to_pixels
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder
from .reader import Outlined, Reader, ratio, shapes_of
from .rules import Rule, Rules, Shape

# The published decoder; no tensor tells its heads.
EMBED_DIMS, NUM_HEADS = 512, 16

DECODER_RULES: Rules = (
    Rule('stage1_output_decode.{leaf}', 'neck.fuse1.{leaf}'),
    Rule('stage2_output_decode.{leaf}', 'neck.fuse2.{leaf}'),
    Rule('norm.{leaf}', 'neck.norm.{leaf}'),
    Rule('decoder_embed.{leaf}', 'neck.embed.{leaf}'),
    Rule('mask_token', 'neck.mask_token'),
    Rule('decoder_pos_embed', 'neck.pos_embed'),
    *(
        Rule(f'decoder_blocks.{{index}}.{x}', f'neck.blocks.{{index}}.{x}')
        for x in TRANSFORMER_LAYERS
    ),
    Rule('decoder_norm.{leaf}', 'neck.decoder_norm.{leaf}'),
    Rule('decoder_pred.{leaf}', 'neck.pred.{leaf}'),
)


class Pretraining(Network):
    """A pretraining network, whose decoder says itself what it has."""

    def read(self, reader: Reader, encoder: Encoder) -> Part:
        # the two tables are of the same grid
        reader.size((r'(backbone|neck)\.pos_embed', 1))
        channels = reader.known(
            (r'neck\.(embed|decoder_norm)\.(weight|bias)', 0),
            (r'neck\.blocks\.\d+\.norm[12]\.(weight|bias)', 0),
            (r'neck\.mask_token', 2),
        )
        hidden = reader.known(
            (r'neck\.blocks\.\d+\.mlp\.fc1\.(weight|bias)', 0),
            (r'neck\.blocks\.\d+\.mlp\.fc2\.weight', 1),
        )
        pictures = encoder.in_channels
        if not reader.count(r'backbone\.patch_embed1\.proj\.weight'):
            pixels = reader.known((r'neck\.pred\.(weight|bias)', 0))
            pictures = max(1, pixels // PATCH_SIZE**2)
        return {
            'in_channels': encoder.embed_dims,
            'img_size': to_pixels(encoder.grids[0]),
            'embed_dims': channels,
            'depth': reader.depth(r'neck\.blocks'),
            'mlp_ratio': ratio(hidden, channels),
            'out_channels': pictures,
        }

    def expect(self, part: Part, encoder: Encoder) -> dict[str, Shape]:
        # its table of positions is computed, which a file must not make large
        small = {**part, 'num_heads': 1, 'img_size': PATCH_SIZE}
        with Outlined():
            shapes = shapes_of(ConvMAEPretrainDecoder(**small), 'neck.')
        table = (1, encoder.positions, part['embed_dims'])
        return shapes | {'neck.pos_embed': table}

    def describe(
        self, part: Part, encoder: Encoder, options: Mapping[str, Any]
    ) -> Part:
        channels, heads = part['embed_dims'], options['decoder_num_heads']
        if heads is None and channels == EMBED_DIMS:
            heads = NUM_HEADS
        if heads is None or heads < 1 or channels % heads:
            raise CheckpointError(
                'the number of attention heads of the decoder, of '
                f'{channels} channels, is not stored: give '
                f'decoder_num_heads that divides them (num_heads={heads})'
            )
        grid = encoder.position_grid(options['img_size'])
        return {**part, 'img_size': to_pixels(grid), 'num_heads': heads}

    def config(self, network: ReleasedNetwork) -> ConfigDict:
        model = load_model(MODEL_CONFIG, network)
        decoder = network.parts['decoder']
        model.neck = dict(type='convmae_mm.ConvMAEPretrainDecoder', **decoder)
        model.head.in_channels = network.backbone['in_channels']
        return model


MODEL_CONFIG = '_base_/models/convmae-base_pretrain.py'
PRETRAIN = Pretraining(
    name='pretrain',
    title='pretraining (ConvMAE, FastConvMAE)',
    sign=r'decoder_|mask_token',
    rules={'': with_encoder(DECODER_RULES)},
    part='decoder',
)
