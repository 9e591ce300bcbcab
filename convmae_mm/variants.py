"""What the published ConvMAE networks are made of, as data.

The one place for widths, depths, modes and sizes; imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .arguments import Rule, each, number, whole
from .errors import ConfigError

PATCH_SIZE = 16  # pixels along one side of a stage-3 token
STAGE1_CELLS = 4  # cells of stage 1 along one side of a patch
STAGE2_CELLS = 2
STRIDES = (4, 8, 16, 32)  # pixels of a picture per cell of E1..E4

# What settings must be. Upper ends are far beyond what anybody has trained:
# they turn a slip into a message instead of an exhausted memory.
CHANNELS = whole(1, 8192)
DEPTH = whole(1, 256)
HEADS = whole(1, 1024)
MLP_RATIO = number('[]', 0.25, 16)
_PIXELS = whole(PATCH_SIZE, 8192, multiple_of=PATCH_SIZE)
IMG_SIZE = _PIXELS | each(_PIXELS, 2)
RATE = number('[)', 0, 1)
ARCH_RULES: dict[str, Rule] = {
    'embed_dims': each(whole(4, 8192), 3),
    'depths': each(DEPTH, 3),
    'num_heads': HEADS,
    'mlp_ratios': each(MLP_RATIO, 3),
}


@dataclass(frozen=True)
class Arch:
    """Widths and depths of an encoder.

    Attributes:
        embed_dims: Channels of stages 1, 2 and 3.
        depths: Number of blocks of stages 1, 2 and 3.
        num_heads: Attention heads of stage 3; must divide its channels.
        mlp_ratios: Hidden width of the MLPs over the channels, per stage.
    """

    embed_dims: tuple[int, int, int]
    depths: tuple[int, int, int]
    num_heads: int
    mlp_ratios: tuple[float, float, float] = (4, 4, 4)

    def __post_init__(self) -> None:
        """Check what a config may have got wrong."""
        for name, rule in ARCH_RULES.items():
            value = getattr(self, name)
            rule.check(name, value)
            if name != 'num_heads':
                object.__setattr__(self, name, tuple(value))
        if self.embed_dims[2] % self.num_heads:
            raise ConfigError(
                f'num_heads={self.num_heads} must divide the channels of '
                f'stage 3, {self.embed_dims[2]}'
            )


class RelativePosition(Enum):
    """How stage 3 knows relative positions.

    NONE: not at all. SHARED: one table for all window blocks and one for all
    global blocks. PER_BLOCK: a table in each block. DECOMPOSED: in each
    block, a vector for each vertical and each horizontal offset, multiplied
    with the query.
    """

    NONE = 'none'
    SHARED = 'shared'
    PER_BLOCK = 'per block'
    DECOMPOSED = 'decomposed'


class LastMap(Enum):
    """How E4 comes from E3: pooled, convolved, or not at all."""

    MAX_POOL = 'max-pool'
    CONVOLUTION = 'convolution'
    NONE = 'none'


@dataclass(frozen=True)
class Mode:
    """What the released networks do differently, all but widths and depths.

    Attributes:
        window_block_indexes: 0-based stage-3 blocks with window attention;
            the others attend globally.
        window_size: Side of a window in stage-3 tokens.
        shifted: Whether every second window block moves its windows by half
            a window.
        padding_is_key: Whether the zeros that fill incomplete windows up
            take part in the attention.
        relative_position: How stage 3 knows relative positions.
        layer_scale: Whether stage 3 scales each residual branch by a learned
            vector.
        conv_norm_eps: LayerNorm's eps in the blocks of stages 1 and 2.
        attention_norm_eps: The same in the blocks of stage 3.
        last_map: How E4 is made.
    """

    window_block_indexes: tuple[int, ...] = ()
    window_size: int = 0
    shifted: bool = False
    padding_is_key: bool = False
    relative_position: RelativePosition = RelativePosition.NONE
    layer_scale: bool = False
    conv_norm_eps: float = 1e-5
    attention_norm_eps: float = 1e-6
    last_map: LastMap = LastMap.MAX_POOL

    @property
    def window_shifts(self) -> tuple[int, ...]:
        """Shifts in tokens that the window blocks take in turn."""
        if not self.window_block_indexes:
            return ()
        return (0, self.window_size // 2) if self.shifted else (0,)

    @property
    def num_maps(self) -> int:
        """How many of E1..E4 there are."""
        return 3 if self.last_map is LastMap.NONE else 4

    @property
    def out_indices(self) -> tuple[int, ...]:
        """The maps that the released network hands to its task."""
        # The simple feature pyramid of detector 2 starts from E3 alone.
        return (2,) if self.last_map is LastMap.NONE else (0, 1, 2, 3)


# 'tiny' is ours, a million parameters for a CPU or a quick try; then table 1
# of the paper, and the authors' v2 files for S, L and H.
arch_zoo: dict[str, Arch] = {
    'tiny': Arch((32, 64, 128), (2, 2, 3), 4),
    'small': Arch((128, 256, 384), (2, 2, 11), 6),
    'base': Arch((256, 384, 768), (2, 2, 11), 12),
    'large': Arch((384, 768, 1024), (2, 2, 23), 16, (8, 8, 4)),
    'huge': Arch((768, 1024, 1280), (2, 2, 31), 16, (8, 8, 4)),
}

mode_zoo: dict[str, Mode] = {
    # pretraining and classification
    'plain': Mode(),
    # section 3 of the paper: blocks 1, 4, 7 and 11 of stage 3
    'detection': Mode(
        window_block_indexes=(0, 3, 6, 10),
        window_size=7,
        shifted=True,
        relative_position=RelativePosition.SHARED,
    ),
    # released detector 1: the same blocks are the global ones
    'mimdet': Mode(
        window_block_indexes=(1, 2, 4, 5, 7, 8, 9),
        window_size=16,
        relative_position=RelativePosition.SHARED,
    ),
    # released detector 2
    'vitdet': Mode(
        window_block_indexes=(0, 2, 3, 5, 6, 8, 9),
        window_size=14,
        padding_is_key=True,
        relative_position=RelativePosition.DECOMPOSED,
        conv_norm_eps=1e-6,
        last_map=LastMap.NONE,
    ),
    # released segmentor
    'seg': Mode(
        relative_position=RelativePosition.PER_BLOCK,
        layer_scale=True,
        attention_norm_eps=1e-5,
        last_map=LastMap.CONVOLUTION,
    ),
}


def resolve_arch(arch: str | Arch | Mapping) -> Arch:
    """Look a name up in ``arch_zoo``, or take the numbers as they are.

    Raises:
        ConfigError: For an unknown name, and for missing, unknown or wrong
            entries.
    """
    if isinstance(arch, Arch):
        return arch
    if isinstance(arch, str) and arch in arch_zoo:
        return arch_zoo[arch]
    if not isinstance(arch, Mapping):
        raise ConfigError(
            f'unknown {arch=}; choose from {sorted(arch_zoo)} or give '
            'dict(embed_dims=, depths=, num_heads=, mlp_ratios=)'
        )
    required = set(ARCH_RULES) - {'mlp_ratios'}
    if not required <= set(arch) <= set(ARCH_RULES):
        raise ConfigError(
            f'{arch=} must have the entries {sorted(required)}, and may have '
            "'mlp_ratios', but nothing else"
        )
    return Arch(**arch)


def resolve_mode(
    mode: str,
    depth: int,
    window_size: int | None = None,
    window_block_indexes: Sequence[int] | None = None,
) -> Mode:
    """Look a name up in ``mode_zoo`` and apply a config's own windows.

    Args:
        mode: Name of the mode.
        depth: Number of stage-3 blocks.
        window_size: Replaces the mode's own; in tokens.
        window_block_indexes: Replace the mode's own; 0-based.

    Raises:
        ConfigError: For an unknown name, for windows in a mode that has none,
            and for a block index that is out of range or given twice.
    """
    if not isinstance(mode, str) or mode not in mode_zoo:
        raise ConfigError(f'unknown {mode=}; choose from {sorted(mode_zoo)}')
    row = mode_zoo[mode]
    given = {
        'window_size': window_size,
        'window_block_indexes': window_block_indexes,
    }
    changes: dict[str, Any] = {
        name: v for name, v in given.items() if v is not None
    }
    if changes and not row.window_block_indexes:
        raise ConfigError(
            f'{mode=} has no window attention, so {changes} cannot act; use '
            "mode='detection', 'mimdet' or 'vitdet'"
        )
    if window_block_indexes is not None:
        changes['window_block_indexes'] = tuple(sorted(window_block_indexes))
    row = replace(row, **changes)
    _check_window_blocks(row.window_block_indexes, depth)
    return row


def resolve_out_indices(
    mode: Mode, out_indices: int | Sequence[int] | None
) -> tuple[int, ...]:
    """Which of E1..E4 to return, each 0..3; the mode's own by default.

    As in timm and mmpretrain, a single number is one map, and negative
    numbers count from the last map of the mode.

    Raises:
        ConfigError: If a map is named twice, or one that the mode does not
            have.
    """
    if out_indices is None:
        return mode.out_indices
    given = [out_indices] if isinstance(out_indices, int) else out_indices
    known = range(mode.num_maps)
    wanted = tuple(i + len(known) if i < 0 else i for i in given)
    if not set(wanted) <= set(known) or len(set(wanted)) < len(wanted):
        raise ConfigError(
            f'{out_indices=} must name some of E1..E{len(known)}, each once, '
            f'by {", ".join(map(str, known))}, or by -1, -2, ... from the '
            'last: these are the maps of this mode'
        )
    return wanted


def resolve_recomputed_stages(with_cp: bool | Sequence[int]) -> frozenset[int]:
    """The stages whose blocks are computed again in the backward pass.

    Args:
        with_cp: All or none of the stages, or their numbers, 1..3.
    """
    if isinstance(with_cp, bool):
        return frozenset((1, 2, 3) if with_cp else ())
    return frozenset(with_cp)


def _check_window_blocks(indexes: tuple[int, ...], depth: int) -> None:
    wrong = [index for index in indexes if not 0 <= index < depth]
    if wrong:
        raise ConfigError(
            f'window_block_indexes {wrong} are out of range: stage 3 has '
            f'{depth} blocks, 0..{depth - 1}; give window_block_indexes that '
            'fit this arch'
        )
    if len(set(indexes)) != len(indexes):
        raise ConfigError(f'window_block_indexes={indexes} repeat')
