"""The released segmentor: UperNet, whose names mmseg has kept."""

from __future__ import annotations

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import affine, conv_norm, expect_by, read_by
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder
from .rules import Rules, Shape

SHIPPED = 'segmentation/upernet_convmae-base-seg_160k_ade20k-512x512.py'
POOL_SCALES = 4  # of the pyramid pooling in UPerHead
AUXILIARY = 'auxiliary_head.'


def _heads() -> Rules:
    """UPerHead on E1 to E4, and the auxiliary head on E3."""
    convs = {
        'decode_head.bottleneck': 'channels pooled 3 3',
        'decode_head.fpn_bottleneck': 'channels levels 3 3',
        f'{AUXILIARY}convs.0': 'auxiliary_channels c3 3 3',
    }
    for index in range(POOL_SCALES):
        convs[f'decode_head.psp_modules.{index}.1'] = 'channels c3 1 1'
    for index in range(3):
        stem = f'convs.{index}'
        convs[f'decode_head.lateral_{stem}'] = f'channels c{index + 1} 1 1'
        convs[f'decode_head.fpn_{stem}'] = 'channels channels 3 3'
    logits = {
        'decode_head.conv_seg': 'num_classes channels 1 1',
        f'{AUXILIARY}conv_seg': 'num_classes auxiliary_channels 1 1',
    }
    return (
        *(
            rule
            for x, weight in logits.items()
            for rule in affine(x, x, weight)
        ),
        *(
            rule
            for x, weight in convs.items()
            for rule in conv_norm((f'{x}.conv', f'{x}.bn'), x, 'bn', weight)
        ),
    )


def _derive(sizes: dict[str, int]) -> dict[str, int]:
    # four levels, as many as pooling scales
    levels = POOL_SCALES * sizes['channels']
    return {'levels': levels, 'pooled': sizes['c3'] + levels}


SEGMENTOR_RULES: Rules = _heads()


def _expect(part: Part, encoder: Encoder) -> dict[str, Shape]:
    rules = SEGMENTOR_RULES
    if part['auxiliary_channels'] is None:
        rules = tuple(x for x in rules if not x.released.startswith(AUXILIARY))
    return expect_by(rules, _derive)(part, encoder)


def segmentor_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released segmentor, for ``MODELS.build``.

    That of the shipped config, with the sizes of the network, in mmseg's
    scope. Pictures are tested in crops of the size that the encoder's tables
    are for, with two thirds of it between one crop and the next.
    """
    sizes = network.parts['segmentor']
    model = load_model(SHIPPED, network)
    num_classes, auxiliary = sizes['num_classes'], sizes['auxiliary_channels']
    c1, c2, c3 = network.backbone['arch']['embed_dims']
    model.decode_head.update(
        in_channels=[c1, c2, c3, c3],
        channels=sizes['channels'],
        num_classes=num_classes,
    )
    if auxiliary is None:
        model.auxiliary_head = None
    else:
        model.auxiliary_head.update(
            in_channels=c3, channels=auxiliary, num_classes=num_classes
        )
    img_size = network.backbone['img_size']
    if isinstance(img_size, int):
        img_size = (img_size, img_size)
    height, width = img_size
    model.data_preprocessor.size = (height, width)
    model.test_cfg.update(
        crop_size=(height, width), stride=(height * 2 // 3, width * 2 // 3)
    )
    return ConfigDict(model, _scope_='mmseg')


SEGMENTOR = Network(
    name='segmentor',
    title='segmentor (mode seg): UperNet',
    sign=r'backbone\.|decode_head\.',
    prefix='backbone.',
    rules={'': with_encoder(SEGMENTOR_RULES, 'backbone.')},
    part='segmentor',
    read=read_by(
        SEGMENTOR_RULES,
        *('channels', 'num_classes', 'auxiliary_channels'),
        optional='auxiliary_channels',
    ),
    expect=_expect,
    config=segmentor_config,
    shipped=SHIPPED,
)
