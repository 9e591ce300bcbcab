"""Tell ConvMAE from the networks that people confuse it with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from convmae_mm.checkpoint.errors import ForeignNetworkError

# What the names of a network have: patterns, apart by blanks, of which each
# must occur. The first network that fits counts; prefixes do not matter.
_NETWORKS = {
    'a MAE of a plain ViT (facebookresearch/mae)': (
        r'cls_token$ decoder_blocks\.\d+\. blocks\.\d+\.'
    ),
    'a BEiT': (
        r'cls_token$ blocks\.\d+\.attn\. '
        r'((blocks\.\d+\.attn|rel_pos_bias)\.relative_position_bias_table$'
        r'|blocks\.\d+\.gamma_1$)'
    ),
    'a Swin transformer': r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.',
    'a plain vision transformer (timm)': (
        r'patch_embed\.proj\. blocks\.\d+\.attn\.'
    ),
    'a vision transformer of mmpretrain or mmseg': (
        r'patch_embed\.projection\. layers\.\d+\.(ln1|attn)\.'
    ),
    'a UniFormer': r'patch_embed1\. blocks1\.\d+\. blocks4\.\d+\.',
    'a ConvNeXt': (
        r'stages\.\d+\.(blocks\.)?\d+\.(dwconv|conv_dw|depthwise_conv)\.'
    ),
    'a PVT': r'patch_embed1\. block1\.\d+\.',
    'a ResNet': r'layer1\.0\.conv1\.weight$',
}

# Blocks of the convolution stages and of the transformer stage.
_CONVMAE = r'blocks[12]\.\d+\. blocks3\.\d+\.'


def check_is_convmae(names: Iterable[str]) -> None:
    """Check that tensors are a ConvMAE network's, under released or our names.

    Raises:
        ForeignNetworkError: If they are not, naming the network that they
            look like.
    """
    names = list(names)
    if _have(names, _CONVMAE) and not _have(names, r'blocks4\.\d+\.'):
        return
    some = ', '.join(map(repr, names[:8])) + (', ...' if names[8:] else '')
    kinds = [kind for kind, x in _NETWORKS.items() if _have(names, x)]
    like = 'are no ConvMAE network and none that is recognised'
    if kinds:
        like = f'look like {kinds[0]}'
    raise ForeignNetworkError(
        f'the {len(names)} tensors {like}: {some}; needed is a ConvMAE '
        "network, with tensors such as 'patch_embed1.proj.weight', "
        "'blocks1.0.conv1.weight' and 'blocks3.0.attn.qkv.weight'"
    )


def _have(names: list[str], patterns: str) -> bool:
    return all(
        any(re.search(rf'(^|\.)({pattern})', name) for name in names)
        for pattern in patterns.split()
    )
