"""Layers of the ConvMAE encoder and of its pretraining decoder."""

from .conv_block import ConvPatchEmbed, MaskedConvBlock
from .layer_scale import LayerScale
from .relative_position import DecomposedRelativePosition, RelativePositionBias
from .transformer_block import TransformerBlock

__all__ = [
    'ConvPatchEmbed',
    'DecomposedRelativePosition',
    'LayerScale',
    'MaskedConvBlock',
    'RelativePositionBias',
    'TransformerBlock',
]
