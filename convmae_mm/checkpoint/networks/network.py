"""What one kind of released network is: the row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config, ConfigDict

from convmae_mm.shipped import find_config

from .encoder import Encoder
from .encoder_rules import BACKBONE, ENCODER_RULES
from .reader import Reader
from .rules import Rule, Rules, Shape, prefixed

Part = dict[str, Any]


@dataclass(frozen=True)
class ReleasedNetwork:
    """A released network as settings of ours.

    Attributes:
        variant: The name of its kind, such as 'pretrain'.
        backbone: Arguments of ``ConvMAE``: arch, mode, img_size, in_channels,
            and where they are not the mode's own pretrain_img_size,
            window_size and window_block_indexes.
        parts: What its kind has beside the encoder, by name: 'decoder', the
            arguments of ``ConvMAEPretrainDecoder``; 'classifier', num_classes
            and pooling ('mean' or 'first_token'); 'detector', fpn_channels,
            fc_channels and num_classes; 'segmentor', channels, num_classes
            and auxiliary_channels (None without).
    """

    variant: str
    backbone: dict[str, Any]
    parts: dict[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """One kind of network that was released, and all that is known of it.

    Names of ours are those of whole models in OpenMMLab: ``backbone.*`` for
    the encoder, ``neck.*`` and heads for the rest. What the rules tell of
    shapes is read and expected; a kind that is more than that overrides the
    methods.

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
        sizes: The sizes of that part, as the shapes in the rules name them.
        shipped: The shipped config that it was trained with, inside
            ``configs/``; '' for none.
    """

    name: str
    title: str
    rules: Mapping[str, Rules]
    sign: str = ''
    prefix: str = ''
    part: str = ''
    sizes: tuple[str, ...] = ()
    shipped: str = ''

    def read(self, reader: Reader, encoder: Encoder) -> Part:
        """The part's sizes, as most tensors have them; None if none tells."""
        shapes = [(rule.ours, axes) for rule, axes in self._shapes()]
        return {
            size: reader.size_at(
                (name, axis)
                for name, axes in shapes
                for axis, told in enumerate(axes)
                if told == size
            )
            for size in self.sizes
        }

    def expect(self, part: Part, encoder: Encoder) -> dict[str, Shape]:
        """The names and shapes of that part's tensors, by its sizes.

        The shapes in the rules are of these, of c1, c2 and c3, the channels
        of the encoder's stages, and of what derives from them. A size that
        nothing tells is 1, to go on with.
        """
        sizes = {x: 1 if size is None else size for x, size in part.items()}
        sizes |= zip(('c1', 'c2', 'c3'), encoder.embed_dims, strict=True)
        sizes |= self.derive(sizes)
        return {
            rule.ours: tuple(int(sizes.get(x, x)) for x in axes)
            for rule, axes in self._shapes()
        }

    def derive(self, sizes: dict[str, int]) -> dict[str, int]:
        """More sizes that shapes are of."""
        return {}

    def describe(
        self, part: Part, encoder: Encoder, options: Mapping[str, Any]
    ) -> Part:
        """The part's settings, by its sizes.

        Args:
            part: The sizes.
            encoder: What the encoder is.
            options: What the file does not tell, as the user gives it,
                ``img_size`` and ``decoder_num_heads``, and its spelling.
        """
        return part

    def config(self, network: ReleasedNetwork) -> ConfigDict:
        """The model config of a released network, for ``MODELS.build``.

        That of a shipped config, with the sizes of the network. It brings
        its own scope and loads no weights.
        """
        return ConfigDict(type='convmae_mm.ConvMAE', **network.backbone)

    def _shapes(self) -> Iterator[tuple[Rule, list[str]]]:
        """The rules that tell shapes, and the sizes of their axes."""
        # shapes, as our names, are the same in every spelling
        for rule in next(iter(self.rules.values())):
            if isinstance(rule, Rule) and rule.shape is not None:
                yield rule, rule.shape.split()


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
