"""What the published ConvMAE networks are made of, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields


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
        for name in ('embed_dims', 'depths', 'mlp_ratios'):
            values = tuple(getattr(self, name))
            if len(values) != 3 or not all(value > 0 for value in values):
                raise ValueError(
                    f'{name}={values!r} must be three positive numbers, one '
                    'for each stage'
                )
            object.__setattr__(self, name, values)
        if self.num_heads < 1 or self.embed_dims[2] % self.num_heads:
            raise ValueError(
                f'num_heads={self.num_heads} must divide the channels of '
                f'stage 3, {self.embed_dims[2]}'
            )


@dataclass(frozen=True)
class Mode:
    """How stage 3 attends.

    Attributes:
        window_block_indexes: 0-based stage-3 blocks with window attention;
            the others attend globally.
        window_size: Side of a window in stage-3 tokens.
        window_shifts: Shifts in tokens that the window blocks take in turn.
        relative_position: Whether one table for the window blocks and one
            for the global blocks bias the attention.
    """

    window_block_indexes: tuple[int, ...] = ()
    window_size: int = 7
    window_shifts: tuple[int, ...] = (0,)
    relative_position: bool = False


# Table 1 of the paper, and the authors' v2 files for S, L and H.
arch_zoo: dict[str, Arch] = {
    'small': Arch((128, 256, 384), (2, 2, 11), 6),
    'base': Arch((256, 384, 768), (2, 2, 11), 12),
    'large': Arch((384, 768, 1024), (2, 2, 23), 16, (8, 8, 4)),
    'huge': Arch((768, 1024, 1280), (2, 2, 31), 16, (8, 8, 4)),
}

mode_zoo: dict[str, Mode] = {
    # pretraining, classification and segmentation
    'plain': Mode(),
    # section 3 of the paper: blocks 1, 4, 7 and 11 of stage 3
    'detection': Mode(
        window_block_indexes=(0, 3, 6, 10),
        window_size=7,
        window_shifts=(0, 3),
        relative_position=True,
    ),
}


def resolve_arch(arch: str | Arch | Mapping) -> Arch:
    """Look a name up in ``arch_zoo``, or take the numbers as they are.

    Raises:
        ValueError: For an unknown name, and for missing or unknown entries.
    """
    if isinstance(arch, Arch):
        return arch
    if isinstance(arch, str):
        if arch not in arch_zoo:
            raise ValueError(
                f'unknown {arch=}; choose from {sorted(arch_zoo)} or give '
                'dict(embed_dims=, depths=, num_heads=, mlp_ratios=)'
            )
        return arch_zoo[arch]
    known = {field.name for field in fields(Arch)}
    required = known - {'mlp_ratios'}
    if not required <= set(arch) <= known:
        raise ValueError(
            f'{arch=} must have the entries {sorted(required)}, and may have '
            "'mlp_ratios', but nothing else"
        )
    return Arch(**arch)


def resolve_mode(mode: str) -> Mode:
    """Look a name up in ``mode_zoo``.

    Raises:
        ValueError: For an unknown name.
    """
    if mode not in mode_zoo:
        raise ValueError(f'unknown {mode=}; choose from {sorted(mode_zoo)}')
    return mode_zoo[mode]


def resolve_window_blocks(
    mode: str, indexes: Sequence[int] | None, depth: int
) -> tuple[int, ...]:
    """The stage-3 blocks with window attention.

    Args:
        mode: Name of the mode, whose blocks are taken if ``indexes`` is None.
        indexes: 0-based block indexes that replace the mode's own.
        depth: Number of stage-3 blocks.

    Raises:
        ValueError: If an index is out of range or given twice, or the mode
            has no window attention at all.
    """
    default = resolve_mode(mode).window_block_indexes
    if indexes is None:
        indexes = default
    elif not default:
        raise ValueError(
            f'{mode=} has no window attention, so window_block_indexes='
            f"{tuple(indexes)} cannot act; use mode='detection'"
        )
    wrong = [index for index in indexes if not 0 <= index < depth]
    if wrong:
        raise ValueError(
            f'window_block_indexes {wrong} are out of range: stage 3 has '
            f'{depth} blocks, 0..{depth - 1}; give window_block_indexes that '
            'fit this arch'
        )
    if len(set(indexes)) != len(indexes):
        raise ValueError(f'window_block_indexes={tuple(indexes)} repeat')
    return tuple(sorted(indexes))
