"""The released classifiers, which pool in one of two ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import affine
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder

MODEL_CONFIG = '_base_/models/convmae-base_classifier.py'
# How it pools, only the name of its last norm tells.
NORMS = {'mean': 'fc_norm', 'first_token': 'norm'}


class Classifier(Network):
    """A classifier, in mmpretrain's scope."""

    def describe(
        self, part: Part, encoder: Encoder, options: Mapping[str, Any]
    ) -> Part:
        return {**part, 'pooling': options['spelling']}

    def config(self, network: ReleasedNetwork) -> ConfigDict:
        model = load_model(MODEL_CONFIG, network)
        # without stochastic depth, and with E3 alone
        model.backbone.pop('drop_path_rate')
        model.backbone.out_indices = (2,)
        channels = network.backbone['arch']['embed_dims'][2]
        part = network.parts['classifier']
        model.neck.update(in_channels=channels, pooling=part['pooling'])
        model.head.update(
            in_channels=channels, num_classes=part['num_classes']
        )
        model.data_preprocessor.num_classes = part['num_classes']
        return ConfigDict(model, _scope_='mmpretrain')


CLASSIFIER = Classifier(
    name='classifier',
    title='ImageNet classifier',
    sign=r'head\.|fc_norm\.',
    rules={
        pooling: with_encoder(
            affine(norm, 'neck.norm', 'c3')
            + affine('head', 'head.fc', 'num_classes c3')
        )
        for pooling, norm in NORMS.items()
    },
    part='classifier',
    sizes=('num_classes',),
)
