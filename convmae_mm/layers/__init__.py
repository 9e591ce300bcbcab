"""Layers of the ConvMAE encoder and of its pretraining decoder."""

from .conv_block import ConvPatchEmbed, MaskedConvBlock
from .relative_position import RelativePositionBias
from .transformer_block import TransformerBlock

__all__ = [
    'ConvPatchEmbed',
    'MaskedConvBlock',
    'RelativePositionBias',
    'TransformerBlock',
]
