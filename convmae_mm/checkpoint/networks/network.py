"""What one kind of released network is: the row of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config, ConfigDict

from convmae_mm.shipped import find_config

from .encoder import Encoder
from .encoder_rules import BACKBONE, ENCODER_RULES
from .reader import Reader
from .rules import Rules, Shape, prefixed

Part = dict[str, Any]


@dataclass(frozen=True)
class ReleasedNetwork:
    """A released network as settings of ours.

    Attributes:
        variant: The name of its kind, such as 'pretrain'.
        backbone: Arguments of ``ConvMAE``: arch, mode, img_size, in_channels,
            and where they are not the mode's own pretrain_img_size,
            window_size and window_block_indexes.
        parts: What its kind has beside the encoder, by name.
    """

    variant: str
    backbone: dict[str, Any]
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def decoder(self) -> Part | None:
        """Arguments of ``ConvMAEPretrainDecoder``, of a pretraining."""
        return self.parts.get('decoder')

    @property
    def classifier(self) -> Part | None:
        """num_classes and pooling ('mean' or 'first_token')."""
        return self.parts.get('classifier')

    @property
    def detector(self) -> Part | None:
        """fpn_channels, fc_channels and num_classes."""
        return self.parts.get('detector')

    @property
    def segmentor(self) -> Part | None:
        """channels, num_classes and auxiliary_channels (None without)."""
        return self.parts.get('segmentor')


@dataclass(frozen=True)
class Options:
    """What a file does not tell, as the user gives it; see ``describe``."""

    img_size: Any = None
    decoder_num_heads: int | None = None
    spelling: str = ''


@dataclass(frozen=True)
class Network:
    """One kind of network that was released, and all that is known of it.

    Names of ours are those of whole models in OpenMMLab: ``backbone.*`` for
    the encoder, ``neck.*`` and heads for the rest.

    Attributes:
        name: What it is called in code and on the command line.
        title: The same for people.
        rules: Spelling -> released names and ours, of all that it has. Most
            kinds have one spelling, ''.
        sign: A pattern that begins a released name of this kind, and of no
            kind behind it in the table.
        prefix: What the released names of the encoder start with.
        part: What it has beside the encoder is called so in
            :class:`ReleasedNetwork`; '' for nothing.
        read: Reads that part's sizes.
        expect: The names and shapes of that part's tensors, by its sizes.
        describe: That part's settings, by its sizes; by default the sizes.
        config: Its model config, for ``MODELS.build``.
        shipped: The shipped config that it was trained with, inside
            ``configs/``; '' for none.
    """

    name: str
    title: str
    rules: Mapping[str, Rules]
    sign: str = ''
    prefix: str = ''
    part: str = ''
    read: Callable[[Reader, Encoder], Part] = lambda reader, encoder: {}
    expect: Callable[[Part, Encoder], dict[str, Shape]] = (
        lambda part, encoder: {}
    )
    describe: Callable[[Part, Encoder, Options], Part] = (
        lambda part, encoder, options: part
    )
    config: Callable[[ReleasedNetwork], ConfigDict] = lambda network: (
        ConfigDict(type='convmae_mm.ConvMAE', **network.backbone)
    )
    shipped: str = ''


def with_encoder(rules: Rules, prefix: str = '') -> Rules:
    """The rules of the encoder, and more."""
    encoder = prefixed(ENCODER_RULES, released=prefix, ours=BACKBONE)
    return encoder + rules


def load_model(file: str, network: ReleasedNetwork) -> ConfigDict:
    """The model of a shipped config with the network's encoder.

    Whatever else the config says about the encoder, its sizes and where it
    was pretrained, the network knows better.
    """
    model = Config.fromfile(find_config(file)).model
    kept = {
        key: model.backbone[key]
        for key in ('type', 'drop_path_rate', 'out_indices')
        if key in model.backbone
    }
    model.backbone = ConfigDict(kept, **network.backbone)
    fit_preprocessor(model.data_preprocessor, network.backbone['in_channels'])
    return model


def fit_preprocessor(preprocessor: ConfigDict, channels: int) -> None:
    """Normalise RGB only; nothing is known of the mean of other channels."""
    if channels != 3:
        for key in ('mean', 'std', 'to_rgb', 'bgr_to_rgb'):
            preprocessor.pop(key, None)
