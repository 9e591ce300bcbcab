"""The released networks, each a row that says all there is to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmengine.config import ConfigDict

from convmae_mm.checkpoint.errors import CheckpointError
from convmae_mm.checkpoint.opening.foreign import check_is_convmae

from .classifier import CLASSIFIER
from .detectors import DETECTOR1, DETECTOR2
from .network import Network, ReleasedNetwork, with_encoder
from .pretrain import PRETRAIN
from .rules import Drop, Rules
from .segmentor import SEGMENTOR

# Files with the encoder of a pretraining network alone keep what followed it.
_LEFT_OVER: Rules = tuple(
    Drop(f'{name}.{{leaf}}', 'part of the decoder, which the file lacks')
    for name in ('norm', 'stage1_output_decode', 'stage2_output_decode')
)
ENCODER = Network('backbone', 'encoder alone', {'': with_encoder(_LEFT_OVER)})

# The first whose sign begins a name counts; a new kind is a new row.
NETWORKS: list[Network] = [
    DETECTOR1,
    DETECTOR2,
    SEGMENTOR,
    PRETRAIN,
    CLASSIFIER,
    ENCODER,
]

_OURS = re.compile(r'(^|\.)blocks[12]\.\d+\.depthwise\.')


def find_network(names: Iterable[str]) -> Network:
    """The network of a file by the released names of its tensors.

    Raises:
        ForeignNetworkError: If they are no ConvMAE network's.
        CheckpointError: If they are our names already.
    """
    names = list(names)
    check_is_convmae(names)
    if ours := [x for x in names if _OURS.search(x)]:
        raise CheckpointError(
            'the tensors have the names of convmae_mm already, such as '
            f'{ours[0]!r}; there is nothing to convert. '
            '`convmae_mm.load(FILE)` builds what a training of ours saved'
        )
    return next(
        network
        for network in NETWORKS
        if any(re.match(network.sign, name) for name in names)
    )


def network_named(name: str) -> Network:
    """The row of a name.

    Raises:
        CheckpointError: If there is none.
    """
    for network in NETWORKS:
        if network.name == name:
            return network
    raise CheckpointError(
        f'unknown variant={name!r}; choose from {[x.name for x in NETWORKS]}'
    )


def model_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released network, for ``MODELS.build``.

    That of a shipped config, with the sizes of the network. It brings its
    own scope and loads no weights.
    """
    return network_named(network.variant).config(network)


def uses_our_names(names: Iterable[str]) -> bool:
    """Whether tensors are named as in convmae_mm, not as released."""
    return any(_OURS.search(name) for name in names)


__all__ = [
    'NETWORKS',
    'Network',
    'ReleasedNetwork',
    'find_network',
    'model_config',
    'network_named',
    'uses_our_names',
]
