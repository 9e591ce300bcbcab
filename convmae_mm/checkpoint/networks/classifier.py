"""The released classifiers, which pool in one of two ways."""

from __future__ import annotations

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import affine, expect_by, read_by
from .network import (
    Network,
    Options,
    Part,
    ReleasedNetwork,
    load_model,
    with_encoder,
)
from .rules import Rules

MODEL_CONFIG = '_base_/models/convmae-base_classifier.py'
# How it pools, only the name of its last norm tells.
NORMS = {'mean': 'fc_norm', 'first_token': 'norm'}
CLASSIFIER_RULES: dict[str, Rules] = {
    pooling: (
        *affine(norm, 'neck.norm', 'c3'),
        *affine('head', 'head.fc', 'num_classes c3'),
    )
    for pooling, norm in NORMS.items()
}


def _describe(part: Part, encoder: Encoder, options: Options) -> Part:
    return {**part, 'pooling': options.spelling}


def classifier_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released classifier, in mmpretrain's scope."""
    model = load_model(MODEL_CONFIG, network)
    # without stochastic depth, and with E3 alone
    model.backbone.pop('drop_path_rate')
    model.backbone.out_indices = (2,)
    channels = network.backbone['arch']['embed_dims'][2]
    num_classes = network.parts['classifier']['num_classes']
    model.neck.update(
        in_channels=channels,
        pooling=network.parts['classifier']['pooling'],
    )
    model.head.update(in_channels=channels, num_classes=num_classes)
    model.data_preprocessor.num_classes = num_classes
    return ConfigDict(model, _scope_='mmpretrain')


CLASSIFIER = Network(
    name='classifier',
    title='ImageNet classifier',
    sign=r'head\.|fc_norm\.',
    rules={
        pooling: with_encoder(rules)
        for pooling, rules in CLASSIFIER_RULES.items()
    },
    part='classifier',
    read=read_by(CLASSIFIER_RULES['mean'], 'num_classes'),
    expect=expect_by(CLASSIFIER_RULES['mean']),
    describe=_describe,
    config=classifier_config,
)
