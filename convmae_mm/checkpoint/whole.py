"""Whole networks: what they are, and the same under other names.

Every tensor is renamed, or dropped by a named rule; anything that is missing,
unexpected or of a wrong shape raises, so that a wrong file never loads in
part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from convmae_mm.errors import ConfigError

from .errors import CheckpointError, UnmatchedTensorsError
from .networks import (
    NETWORKS,
    Network,
    ReleasedNetwork,
    find_network,
    network_named,
    uses_our_names,
)
from .networks.encoder import Encoder
from .networks.encoder_rules import (
    BACKBONE,
    RELEASED_INDEX,
    RELEASED_TABLE,
)
from .networks.grids import build_position_index
from .networks.reader import Reader
from .networks.rules import (
    Drop,
    Found,
    Rule,
    export_tensors,
    import_tensors,
    renaming,
)

# What may be missing: indexes follow from their tables, and no computation
# reads what BatchNorm counts.
OPTIONAL = (RELEASED_INDEX, '.num_batches_tracked')


class WholeNetwork:
    """The tensors of a released network, and what they are.

    Args:
        released: Tensors by released name.
        network: The kind that they should be; found out by default.
        spelling: How the kind is spelled; found out by default.

    Raises:
        ForeignNetworkError: If they are no ConvMAE network at all.
        UnmatchedTensorsError: Naming every tensor that is missing,
            unexpected or of a wrong shape. Index buffers, which follow from
            their tables, and counters may be missing.
        CheckpointError: If they have our names already.
    """

    def __init__(
        self,
        released: Mapping[str, Tensor],
        network: Network | None = None,
        spelling: str | None = None,
    ) -> None:
        self.network = network or find_network(released)
        rules = self.network.rules
        self.spelling = spelling or min(
            rules,
            key=lambda x: len(
                _unknown(renaming(rules[x]).from_released, released)
            ),
        )
        self.rules = rules[self.spelling]
        self._table = renaming(self.rules)
        self.released = dict(released)
        self._shapes = {x: tuple(v.shape) for x, v in self.released.items()}
        self._check()

    @classmethod
    def from_ours(
        cls,
        ours: Mapping[str, Tensor],
        network: Network | None = None,
        spelling: str | None = None,
    ) -> WholeNetwork:
        """The network of tensors by our names.

        Raises:
            UnmatchedTensorsError: If it is none of those that were released,
                naming every tensor in the way.
        """
        network = network or closest_network(ours)
        if spelling is None or '' in network.rules:
            spelling = next(iter(network.rules))
        if spelling not in network.rules:
            raise CheckpointError(
                f'unknown pooling={spelling!r}; choose from '
                f'{list(network.rules)}'
            )
        released = export_tensors(ours, network.rules[spelling])
        return cls(released, network, spelling)

    def to_ours(self) -> dict[str, Tensor]:
        """The tensors by our names, in their order."""
        return import_tensors(self.released, self.rules)

    def to_released(self, img_size: Any = None) -> dict[str, Tensor]:
        """The tensors by released name, each table with its index buffer.

        Args:
            img_size: Size in pixels that position tables are stored for;
                needed only where it is not square.

        Raises:
            CheckpointError: If the grid of the tables is unknown.
            ConfigError: If ``img_size`` is no size.
        """
        complete: dict[str, Tensor] = {}
        for name, tensor in self.released.items():
            complete[name] = tensor
            if name.endswith(RELEASED_TABLE):
                ours = self._table.from_released(name)[0]
                grid = self.encoder.index_grid(str(ours), img_size)
                complete[_index_of(name)] = build_position_index(grid)
        return complete

    def extract_encoder(self) -> dict[str, Tensor]:
        """The tensors of the encoder, as a released encoder names them."""
        return {
            name.removeprefix(self.network.prefix): tensor
            for name, tensor in self.released.items()
            if name.endswith(RELEASED_INDEX)
            or (self._table.from_released(name)[0] or '').startswith(BACKBONE)
        }

    def describe(
        self,
        *,
        mode: str | None = None,
        img_size: Any = None,
        num_heads: int | None = None,
        decoder_num_heads: int | None = None,
        window_block_indexes: Sequence[int] | None = None,
    ) -> ReleasedNetwork:
        """Its settings, as ``ConvMAE`` and the rest of ours take them.

        Args:
            mode: Use the encoder in this mode instead of its own.
            img_size: Size in pixels, a number or (height, width): of the
                tables in the file where they are not square, which the file
                does not tell, otherwise the size to use the encoder at.
            num_heads: Attention heads of the encoder. By default they are
                read off relative-position tables, or have 64 channels each
                (80 in the huge network).
            decoder_num_heads: Attention heads of the decoder, 16 by default.
            window_block_indexes: 0-based stage-3 blocks with window
                attention, for other depths than 11.

        Raises:
            CheckpointError: If something must be given that the file does
                not tell, or what is given contradicts it.
        """
        network = self.network
        try:
            backbone = self.encoder.describe(
                mode, img_size, num_heads, window_block_indexes
            )
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
        options = {
            'img_size': img_size,
            'decoder_num_heads': decoder_num_heads,
            'spelling': self.spelling,
        }
        part = network.describe(self._part, self.encoder, options)
        parts = {network.part: part} if network.part else {}
        return ReleasedNetwork(network.name, backbone, parts)

    @cached_property
    def encoder(self) -> Encoder:
        """What its encoder is."""
        return Encoder(self._reader)

    @cached_property
    def _part(self) -> dict[str, Any]:
        return self.network.read(self._reader, self.encoder)

    @cached_property
    def _reader(self) -> Reader:
        """The shapes, which both names have in common where it counts."""
        ours = {x: self._table.from_released(x)[0] for x in self._shapes}
        return Reader({x: self._shapes[k] for k, x in ours.items() if x})

    def _check(self) -> None:
        shapes, expected = self._shapes, self._expect()
        # an index is unexpected without its table
        unexpected = [
            name
            for name in shapes
            if name not in expected
            and (
                name.endswith(RELEASED_INDEX)
                or not isinstance(self._table.from_released(name)[1], Drop)
            )
        ]
        missing = [
            name
            for name in expected
            if name not in shapes and not name.endswith(OPTIONAL)
        ]
        wrong = [
            f'{name!r} has {shape} instead of {expected[name]}'
            for name, shape in shapes.items()
            if expected.get(name, str(shape)) != str(shape)
        ]
        told = [f'missing: {missing}'] if missing else []
        if unexpected:
            told.append(f'unexpected: {unexpected}')
        if wrong:
            told.append('wrong shape: ' + ', '.join(wrong))
        if told:
            raise UnmatchedTensorsError(
                f'{self._intro()}, but ' + '; '.join(told)
            )

    def _expect(self) -> dict[str, str]:
        """The released names that it may have, and their shapes as text."""
        try:
            encoder = self.encoder.expect()
            part = self.network.expect(self._part, self.encoder)
        except ConfigError as error:
            raise UnmatchedTensorsError(
                f'{self._intro()}, but there is none of such sizes: {error}'
            ) from error
        ours = {f'{BACKBONE}{name}': shape for name, shape in encoder.items()}
        expected = {}
        for name, shape in (ours | part).items():
            released, rule = self._table.from_ours(name)
            assert released and isinstance(rule, Rule), f'no rule for {name!r}'
            unknown = self._reader.disputed.get(name, ())
            sizes = [
                '?' if axis in unknown else size
                for axis, size in enumerate(shape)
            ]
            sizes += [1, 1] if rule.pointwise else []
            expected[released] = str(tuple(sizes)).replace("'", '')
            if released.endswith(RELEASED_TABLE):
                tokens = self.encoder.tokens_of(name)
                expected[_index_of(released)] = str((tokens, tokens))
        return expected

    def _intro(self) -> str:
        return (
            f'these {len(self.released)} tensors should be a released ConvMAE '
            f'network ({self.network.name})'
        )


def closest_network(ours: Iterable[str]) -> Network:
    """The released network that tensors by our names can be exported to.

    Raises:
        UnmatchedTensorsError: If there is none, naming the tensors that keep
            it from being the closest one.
    """
    names = list(ours)
    unknown = [
        (_unknown(renaming(rules).from_ours, names), network)
        for network in reversed(NETWORKS)
        for rules in network.rules.values()
    ]
    left, closest = min(unknown, key=lambda x: len(x[0]))
    if left:
        raise UnmatchedTensorsError(
            'no released network has these tensors; closest is '
            f'{closest.name!r}, without {left}. To export the encoder '
            "alone, keep what starts with 'backbone.'"
        )
    return closest


def find_whole(state_dict: Mapping[str, Tensor]) -> WholeNetwork:
    """The network of tensors by released name or ours.

    Of ours, if the whole is none of those that were released, it is the
    encoder alone, with or without 'backbone.' in front of its names.

    Raises:
        As :class:`WholeNetwork`.
    """
    if not uses_our_names(state_dict):
        return WholeNetwork(state_dict)
    ours = whole_names(state_dict)
    try:
        return WholeNetwork.from_ours(ours)
    except UnmatchedTensorsError:
        encoder = {x: ours[x] for x in ours if x.startswith(BACKBONE)}
        return WholeNetwork.from_ours(encoder, network_named('backbone'))


def whole_names(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names as in a whole network, of an encoder alone too."""
    alone = not any(name.startswith(BACKBONE) for name in ours)
    return {f'{BACKBONE * alone}{name}': x for name, x in ours.items()}


def find_variant(names: Iterable[str]) -> str:
    """The kind of a file by the released names of its tensors.

    Returns:
        'pretrain', 'classifier', 'detector1', 'detector2', 'segmentor' or
        'backbone'.

    Raises:
        ForeignNetworkError: If they are no ConvMAE network's.
        CheckpointError: If they are our names already.
    """
    return find_network(names).name


def describe_released(
    state_dict: Mapping[str, Tensor], **options: Any
) -> ReleasedNetwork:
    """Read a released network's settings off the names and shapes.

    Args:
        state_dict: Tensors by released name, a whole network.
        **options: See :meth:`WholeNetwork.describe`.

    Raises:
        As :class:`WholeNetwork` and its ``describe``.
    """
    return WholeNetwork(state_dict).describe(**options)


def describe_ours(
    state_dict: Mapping[str, Tensor], **options: Any
) -> ReleasedNetwork:
    """Read the settings of a network of ours off its tensors.

    How a classifier pools, its tensors do not tell: 'mean' is assumed.

    Args:
        state_dict: Tensors by our names; see :func:`find_whole`.
        **options: See :meth:`WholeNetwork.describe`.

    Raises:
        As :class:`WholeNetwork` and its ``describe``.
    """
    return find_whole(state_dict).describe(**options)


def convert_released_state_dict(
    state_dict: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Convert any released network, found out by its names, to ours.

    Returns:
        Tensors in the order of the input: ``backbone.*``, and for a
        pretraining network ``neck.*``, for a classifier ``neck.norm.*`` and
        ``head.fc.*``, for a detector and a segmentor the names of mmdet's
        and mmseg's models.

    Raises:
        As :class:`WholeNetwork`.
    """
    return WholeNetwork(state_dict).to_ours()


def export_released_state_dict(
    state_dict: Mapping[str, Tensor],
    variant: str | None = None,
    *,
    pooling: str = 'mean',
    img_size: int | Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Convert a network of ours to released names; the inverse.

    Args:
        state_dict: Tensors by our names, ``backbone.*`` and so on.
        variant: As :func:`find_variant`; by default found out by the names.
        pooling: 'mean' or 'first_token'; how a classifier pools, which the
            names do not tell.
        img_size: See :meth:`WholeNetwork.to_released`.

    Raises:
        As :meth:`WholeNetwork.from_ours` and ``to_released``.
    """
    network = None if variant is None else network_named(variant)
    whole = WholeNetwork.from_ours(state_dict, network, pooling)
    return whole.to_released(img_size)


def extract_encoder(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a released network, as a released encoder names it.

    Raises:
        As :class:`WholeNetwork`.
    """
    return WholeNetwork(state_dict).extract_encoder()


def _index_of(table: str) -> str:
    """The released name of the index buffer that belongs to a table."""
    return table.removesuffix(RELEASED_TABLE) + RELEASED_INDEX


def _unknown(find: Callable[[str], Found], names: Iterable[str]) -> list[str]:
    """The names that no rule mentions."""
    return [name for name in names if find(name)[1] is None]
