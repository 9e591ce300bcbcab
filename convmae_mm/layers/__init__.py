"""Layers of the ConvMAE encoder and of its pretraining decoder."""

from .conv_block import (
    DEPTHWISE_MARGIN,
    ConvPatchEmbed,
    MaskedConvBlock,
    PatchConv,
)
from .layer_scale import LayerScale
from .relative_position import DecomposedRelativePosition, RelativePositionBias
from .transformer_block import TransformerBlock

__all__ = [
    'DEPTHWISE_MARGIN',
    'ConvPatchEmbed',
    'DecomposedRelativePosition',
    'LayerScale',
    'MaskedConvBlock',
    'PatchConv',
    'RelativePositionBias',
    'TransformerBlock',
]
