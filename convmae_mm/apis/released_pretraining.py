"""Released pretraining networks and classifiers as models of mmpretrain."""

from __future__ import annotations

from mmengine.config import Config, ConfigDict

from convmae_mm.checkpoint import ReleasedNetwork

from .config import find_config
from .released_models import fit_preprocessor

PRETRAIN_CONFIG = '_base_/models/convmae-base_pretrain.py'
CLASSIFIER_CONFIG = '_base_/models/convmae-base_classifier.py'


def pretrain_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released pretraining network.

    That of the shipped config, with the sizes of the network, for mmengine's
    ``MODELS.build``.

    Args:
        network: Of variant 'pretrain'.

    Raises:
        ValueError: If the network has no decoder.
    """
    if network.decoder is None:
        raise ValueError(f'{network.variant=} has no pretraining decoder')
    model = Config.fromfile(find_config(PRETRAIN_CONFIG)).model
    model.backbone = dict(type='convmae_mm.ConvMAE', **network.backbone)
    model.neck = dict(
        type='convmae_mm.ConvMAEPretrainDecoder', **network.decoder
    )
    channels = network.backbone['in_channels']
    model.head.in_channels = channels
    fit_preprocessor(model.data_preprocessor, channels)
    return model


def classifier_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released classifier, in mmpretrain's scope.

    As :func:`pretrain_config`.

    Args:
        network: Of variant 'classifier'.

    Raises:
        ValueError: If the network is no classifier.
    """
    if network.classifier is None:
        raise ValueError(f'{network.variant=} is no classifier')
    model = Config.fromfile(find_config(CLASSIFIER_CONFIG)).model
    num_classes = network.classifier['num_classes']
    channels = network.backbone['arch']['embed_dims'][2]
    model.backbone = dict(
        type='convmae_mm.ConvMAE', out_indices=(2,), **network.backbone
    )
    model.neck.in_channels = channels
    model.neck.pooling = network.classifier['pooling']
    model.head.in_channels = channels
    model.head.num_classes = num_classes
    model.data_preprocessor.num_classes = num_classes
    fit_preprocessor(model.data_preprocessor, network.backbone['in_channels'])
    return ConfigDict(model, _scope_='mmpretrain')
