"""The released segmentor: UperNet, whose names mmseg has kept."""

from __future__ import annotations

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import affine, conv_norm
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder
from .rules import Rules, Shape

AUXILIARY = 'auxiliary_head.'
# UPerHead on E1 to E4, and the auxiliary head on E3.
CONVS = {
    'decode_head.bottleneck': 'channels pooled 3 3',
    'decode_head.fpn_bottleneck': 'channels levels 3 3',
    f'{AUXILIARY}convs.0': 'auxiliary_channels c3 3 3',
    'decode_head.psp_modules.0.1': 'channels c3 1 1',
    'decode_head.psp_modules.1.1': 'channels c3 1 1',
    'decode_head.psp_modules.2.1': 'channels c3 1 1',
    'decode_head.psp_modules.3.1': 'channels c3 1 1',
    'decode_head.lateral_convs.0': 'channels c1 1 1',
    'decode_head.lateral_convs.1': 'channels c2 1 1',
    'decode_head.lateral_convs.2': 'channels c3 1 1',
    'decode_head.fpn_convs.0': 'channels channels 3 3',
    'decode_head.fpn_convs.1': 'channels channels 3 3',
    'decode_head.fpn_convs.2': 'channels channels 3 3',
}
LOGITS = {
    'decode_head.conv_seg': 'num_classes channels 1 1',
    f'{AUXILIARY}conv_seg': 'num_classes auxiliary_channels 1 1',
}
SEGMENTOR_RULES: Rules = (
    *(rule for x, weight in LOGITS.items() for rule in affine(x, x, weight)),
    *(
        rule
        for x, weight in CONVS.items()
        for rule in conv_norm((f'{x}.conv', f'{x}.bn'), x, 'bn', weight)
    ),
)


class Segmentor(Network):
    """A segmentor, in mmseg's scope."""

    def derive(self, sizes: dict[str, int]) -> dict[str, int]:
        # four levels, as many as scales of the pyramid pooling
        levels = 4 * sizes['channels']
        return {'levels': levels, 'pooled': sizes['c3'] + levels}

    def expect(self, part: Part, encoder: Encoder) -> dict[str, Shape]:
        # the auxiliary head may be missing as a whole
        alone = part['auxiliary_channels'] is None
        return {
            name: shape
            for name, shape in super().expect(part, encoder).items()
            if not (alone and name.startswith(AUXILIARY))
        }

    def config(self, network: ReleasedNetwork) -> ConfigDict:
        """Pictures are tested in crops of the size of the encoder's tables.

        Two thirds of it lie between one crop and the next.
        """
        sizes = network.parts['segmentor']
        model = load_model(self.shipped, network)
        num_classes = sizes['num_classes']
        auxiliary = sizes['auxiliary_channels']
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
        size = network.backbone['img_size']
        height, width = (size, size) if isinstance(size, int) else size
        model.data_preprocessor.size = (height, width)
        model.test_cfg.update(
            crop_size=(height, width), stride=(height * 2 // 3, width * 2 // 3)
        )
        return ConfigDict(model, _scope_='mmseg')


SEGMENTOR = Segmentor(
    name='segmentor',
    title='segmentor (mode seg): UperNet',
    sign=r'backbone\.|decode_head\.',
    prefix='backbone.',
    rules={'': with_encoder(SEGMENTOR_RULES, 'backbone.')},
    part='segmentor',
    sizes=('channels', 'num_classes', 'auxiliary_channels'),
    shipped='segmentation/upernet_convmae-base-seg_160k_ade20k-512x512.py',
)
