"""Tell ConvMAE from the networks that people confuse it with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from convmae_mm.checkpoint.errors import ForeignNetworkError

# What the names of a network all have in common: patterns of which each must
# occur. The first network that fits counts; prefixes do not matter.
_NETWORKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        'a MAE of a plain ViT (facebookresearch/mae)',
        (r'cls_token$', r'decoder_blocks\.\d+\.', r'blocks\.\d+\.'),
    ),
    (
        'a BEiT',
        (
            r'cls_token$',
            r'blocks\.\d+\.attn\.relative_position_bias_table$'
            r'|rel_pos_bias\.relative_position_bias_table$'
            r'|blocks\.\d+\.gamma_1$',
            r'blocks\.\d+\.attn\.',
        ),
    ),
    ('a Swin transformer', (r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.',)),
    (
        'a plain vision transformer (timm)',
        (r'patch_embed\.proj\.', r'blocks\.\d+\.attn\.'),
    ),
    (
        'a vision transformer of mmpretrain or mmseg',
        (r'patch_embed\.projection\.', r'layers\.\d+\.(ln1|attn)\.'),
    ),
    (
        'a UniFormer',
        (r'patch_embed1\.', r'blocks1\.\d+\.', r'blocks4\.\d+\.'),
    ),
    (
        'a ConvNeXt',
        (r'stages\.\d+\.(blocks\.)?\d+\.(dwconv|conv_dw|depthwise_conv)\.',),
    ),
    ('a PVT', (r'patch_embed1\.', r'block1\.\d+\.')),
    ('a ResNet', (r'layer1\.0\.conv1\.weight$',)),
)

# Blocks of the convolution stages and of the transformer stage.
_CONVMAE = (r'blocks[12]\.\d+\.', r'blocks3\.\d+\.')

_NEEDED = (
    'needed is a ConvMAE network, with tensors such as '
    "'patch_embed1.proj.weight', 'blocks1.0.conv1.weight' and "
    "'blocks3.0.attn.qkv.weight'"
)


def check_is_convmae(names: Iterable[str]) -> None:
    """Check that tensors are a ConvMAE network's, under released or our names.

    Raises:
        ForeignNetworkError: If they are not, naming the network that they
            look like.
    """
    names = list(names)
    if _have(names, _CONVMAE) and not _have(names, (r'blocks4\.\d+\.',)):
        return
    some = ', '.join(map(repr, names[:8])) + (', ...' if names[8:] else '')
    kind = identify_foreign(names)
    if kind is None:
        raise ForeignNetworkError(
            f'the {len(names)} tensors are no ConvMAE network and none that '
            f'is recognised: {some}; {_NEEDED}'
        )
    raise ForeignNetworkError(
        f'the {len(names)} tensors look like {kind}: {some}; {_NEEDED}'
    )


def identify_foreign(names: Iterable[str]) -> str | None:
    """What network the tensors belong to if it is a well-known other one."""
    names = list(names)
    for kind, patterns in _NETWORKS:
        if _have(names, patterns):
            return kind
    return None


def _have(names: list[str], patterns: tuple[str, ...]) -> bool:
    return all(
        any(re.search(rf'(^|\.)({pattern})', name) for name in names)
        for pattern in patterns
    )
