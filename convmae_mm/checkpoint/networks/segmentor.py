"""The released segmentor: UperNet, whose names mmseg has kept."""

from __future__ import annotations

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import ShapeOf, affine, expect_by, norm
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder
from .reader import Reader
from .rules import Rule, Rules, Shape

SHIPPED = 'segmentation/upernet_convmae-base-seg_160k_ade20k-512x512.py'
POOL_SCALES = 4  # of the pyramid pooling in UPerHead
AUXILIARY = 'auxiliary_head.'


def _kernel(outputs: str, inputs: str, side: int) -> ShapeOf:
    return lambda sizes: (sizes[outputs], sizes[inputs], side, side)


def _conv_bn(stem: str, weight: ShapeOf) -> Rules:
    """A ConvModule of mmcv with BatchNorm and no bias."""
    name = f'{stem}.conv.weight'
    return (
        Rule(name, name, shape=weight),
        *norm(f'{stem}.bn', f'{stem}.bn', 'bn', weight),
    )


def _heads() -> Rules:
    """UPerHead on E1 to E4, and the auxiliary head on E3."""
    rules = [
        *affine(
            'decode_head.conv_seg',
            'decode_head.conv_seg',
            lambda s: (s['num_classes'], s['channels'], 1, 1),
        ),
        *affine(
            f'{AUXILIARY}conv_seg',
            f'{AUXILIARY}conv_seg',
            lambda s: (s['num_classes'], s['auxiliary_channels'], 1, 1),
        ),
    ]
    channels = 'channels'
    kernels: dict[str, ShapeOf] = {
        'decode_head.bottleneck': lambda s: (
            s[channels],
            s['c3'] + POOL_SCALES * s[channels],
            *(3, 3),
        ),
        # four levels again, as many as pooling scales
        'decode_head.fpn_bottleneck': lambda s: (
            s[channels],
            POOL_SCALES * s[channels],
            *(3, 3),
        ),
        f'{AUXILIARY}convs.0': _kernel('auxiliary_channels', 'c3', 3),
    }
    for index in range(POOL_SCALES):
        stem = f'decode_head.psp_modules.{index}.1'
        kernels[stem] = _kernel(channels, 'c3', 1)
    for index, inputs in enumerate(('c1', 'c2', 'c3')):
        stem = f'decode_head.lateral_convs.{index}'
        kernels[stem] = _kernel(channels, inputs, 1)
        stem = f'decode_head.fpn_convs.{index}'
        kernels[stem] = _kernel(channels, channels, 3)
    for stem, weight in kernels.items():
        rules += _conv_bn(stem, weight)
    return tuple(rules)


SEGMENTOR_RULES: Rules = _heads()


def _read(reader: Reader, encoder: Encoder) -> Part:
    convs = r'decode_head\.(bottleneck|fpn_bottleneck|\w+_convs\.\d)'
    auxiliary = r'auxiliary_head\.convs\.0\.(conv|bn)\.(weight|bias)'
    return {
        'channels': reader.known((rf'{convs}\.(conv|bn)\.weight', 0)),
        'num_classes': reader.known((r'\w+_head\.conv_seg\.(weight|bias)', 0)),
        'auxiliary_channels': reader.size(
            (auxiliary, 0), (r'auxiliary_head\.conv_seg\.weight', 1)
        ),
    }


def _expect(part: Part, encoder: Encoder) -> dict[str, Shape]:
    rules = SEGMENTOR_RULES
    if part['auxiliary_channels'] is None:
        rules = tuple(x for x in rules if not x.released.startswith(AUXILIARY))
    return expect_by(rules)(part, encoder)


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
    read=_read,
    expect=_expect,
    config=segmentor_config,
    shipped=SHIPPED,
)
