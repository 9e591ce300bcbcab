"""Start a network from the weights in a file, and account for each tensor.

The encoder may be used in another mode, at another size or with other input
channels than it was trained with; everything else has to fit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, isqrt
from typing import cast

from torch import Tensor, nn

from .errors import CheckpointError, UnmatchedTensorsError
from .networks import uses_our_names
from .networks.additions import addition
from .networks.encoder_rules import BACKBONE, WINDOW_TABLE
from .networks.reader import shapes_of
from .networks.rules import Shape
from .opening.foreign import check_is_convmae
from .whole import WholeNetwork, whole_names

FIRST_CONVOLUTION = 'patch_embed1.proj.weight'
LEAST_SHARE = 0.99  # of the tensors that every encoder has

# Tables that the encoder itself resizes to its grid when it loads them. The
# table of the windows is not among them: its size is the mode's.
_RESIZED = re.compile(
    r'pos_embed|global_rel_pos\.table'
    r'|blocks3\.\d+\.attn\.rel_pos\.(table|height|width)'
)


@dataclass(frozen=True)
class Refitted:
    """A tensor that was resized, or inflated to other input channels."""

    name: str
    source: Shape
    target: Shape


@dataclass(frozen=True)
class InitialisationReport:
    """What became of each tensor, by the names of what was initialised.

    Attributes:
        loaded: Taken as they are.
        resized: Tables interpolated to another grid.
        inflated: The first convolution, if the channels differ.
        new: What the encoder's mode adds and the file does not have.
        missing: What the file should have and does not.
        unexpected: Tensors of the file that found no place.
        unused: How many tensors each part of the file has that was not asked
            for, such as 'neck' and 'head'.
    """

    loaded: tuple[str, ...]
    resized: tuple[Refitted, ...]
    inflated: tuple[Refitted, ...]
    new: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    unused: dict[str, int]


def initialise_backbone(
    backbone: nn.Module,
    weights: Mapping[str, Tensor],
    allow_other_mode: bool = False,
) -> InitialisationReport:
    """Load an encoder from any ConvMAE network, of the authors or of ours.

    Args:
        backbone: A ``ConvMAE``.
        weights: Tensors by released name or ours; of a whole network or of
            the encoder alone.
        allow_other_mode: Take an encoder that was trained in another mode
            than 'plain' and this one, without what that mode adds.

    Raises:
        ForeignNetworkError: If the weights are another network's.
        UnmatchedTensorsError: If a tensor has a shape that cannot be fitted,
            or less than 99 % of what every encoder has found a value.
        CheckpointError: If the file is for another mode.
    """
    given, others = _encoder_and_others(weights)
    if not uses_our_names(weights):
        _check_position_grid(backbone, given)
    shapes = {name: tuple(x.shape) for name, x in given.items()}
    expected = shapes_of(backbone)
    if not allow_other_mode:
        _check_mode(shapes, expected)
    refitted = _find_refitted(shapes, expected)
    names = {x.name for x in refitted}
    loaded = [x for x in expected if shapes.get(x) == expected[x]]
    state = {x: given[x] for x in expected if x in {*names, *loaded}}
    if FIRST_CONVOLUTION in names:
        channels = expected[FIRST_CONVOLUTION][1]
        state[FIRST_CONVOLUTION] = _inflate(given[FIRST_CONVOLUTION], channels)
    absent = [name for name in expected if name not in state]
    report = InitialisationReport(
        loaded=tuple(loaded),
        resized=tuple(x for x in refitted if x.name != FIRST_CONVOLUTION),
        inflated=tuple(x for x in refitted if x.name == FIRST_CONVOLUTION),
        new=tuple(name for name in absent if addition(name)),
        missing=tuple(name for name in absent if not addition(name)),
        unexpected=tuple(name for name in given if name not in state),
        unused=dict(Counter(x.partition('.')[0] for x in others)),
    )
    _check_share(report, expected)
    backbone.load_state_dict(state, strict=False)
    return report


def initialise_model(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    allow_other_mode: bool = False,
) -> InitialisationReport:
    """Load a whole model, such as one that is to go on pretraining.

    Its encoder is treated as by :func:`initialise_backbone`; the names of the
    other parts must be in the file, and their shapes the same. Tables that
    are not trained stay as they are built if their size differs.

    Args:
        model: With a ``ConvMAE`` as ``backbone``.
        weights: See :func:`initialise_backbone`.
        allow_other_mode: See :func:`initialise_backbone`.

    Raises:
        As :func:`initialise_backbone`.
    """
    _, others = _encoder_and_others(weights)
    expected = {
        name: tensor
        for name, tensor in model.state_dict(keep_vars=True).items()
        if not name.startswith(BACKBONE)
    }
    missing = [name for name in expected if name not in others]
    wrong, fixed = [], []
    for name in [x for x in expected if x in others]:
        here, there = expected[name], others[name]
        if here.shape != there.shape and here.requires_grad:
            wrong.append(
                f'{name!r} has {tuple(there.shape)} instead of '
                f'{tuple(here.shape)}'
            )
        elif here.shape != there.shape:
            fixed.append(name)
    if wrong or missing:
        raise UnmatchedTensorsError(
            f'the file does not fit the {type(model).__name__}: missing: '
            f'{missing}; wrong shape: {wrong}. To start its encoder alone, '
            'put the initialiser into the init_cfg of the backbone'
        )
    report = initialise_backbone(
        cast(nn.Module, model.backbone), weights, allow_other_mode
    )
    loaded = {x: others[x] for x in expected if x not in fixed}
    model.load_state_dict(loaded, strict=False)
    placeless = [x for x in others if x not in expected]
    return replace(
        report,
        loaded=(*report.loaded, *loaded),
        unexpected=(*report.unexpected, *fixed, *placeless),
        unused={},
    )


def _encoder_and_others(
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Any ConvMAE network under our names, the encoder's without prefix."""
    check_is_convmae(weights)
    if uses_our_names(weights):
        whole = whole_names(weights)
    else:
        whole = WholeNetwork(weights).to_ours()
    given = [x for x in whole if x.startswith(BACKBONE)]
    encoder = {x.removeprefix(BACKBONE): whole.pop(x) for x in given}
    return encoder, whole


def _find_refitted(
    shapes: Mapping[str, Shape], expected: Mapping[str, Shape]
) -> list[Refitted]:
    """What is resized or inflated; for any other shape it raises."""
    unlike = [
        Refitted(name, shapes[name], target)
        for name, target in expected.items()
        if shapes.get(name, target) != target
    ]
    refitted = [x for x in unlike if _can_be_fitted(x)]
    wrong = [
        f'{x.name!r} has {x.source} instead of {x.target}'
        for x in unlike
        # another mode's, which was allowed, is left out
        if x not in refitted and not addition(x.name)
    ]
    if wrong:
        raise UnmatchedTensorsError(
            f'{len(wrong)} of {len(shapes)} tensors have another shape than '
            f'the backbone: {", ".join(sorted(wrong))}. Is arch the one that '
            'the weights were trained with? `convmae-mm inspect` prints it'
        )
    return refitted


def _can_be_fitted(tensor: Refitted) -> bool:
    source, target = tensor.source, tensor.target
    if len(source) != len(target):
        return False
    if tensor.name == FIRST_CONVOLUTION:
        same = source[:1] + source[2:] == target[:1] + target[2:]
        return same and source[1] > 0
    resized = _RESIZED.fullmatch(tensor.name)
    return bool(resized) and source[-1] == target[-1]


def _inflate(weight: Tensor, channels: int) -> Tensor:
    """Fit a convolution (O, I, k, k) to another number of input channels.

    One channel gets the sum of all, as a grey picture repeated in each would;
    otherwise the channels are repeated in turn, and scaled by I over the new
    number so that outputs keep their size.
    """
    present = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    repeated = weight.repeat(1, ceil(channels / present), 1, 1)
    return repeated[:, :channels] * (present / channels)


def _check_position_grid(
    backbone: nn.Module, given: Mapping[str, Tensor]
) -> None:
    """Refuse to take a square embedding for an oblong one of equal length."""
    height, width = cast(tuple[int, int], backbone.pos_embed_grid)
    side = isqrt(height * width)
    tables = [x for x in given if x.endswith('rel_pos.table')]
    length = given['pos_embed'].shape[1] if 'pos_embed' in given else 0
    if height != width and length == height * width == side**2 and not tables:
        raise CheckpointError(
            f'the position embedding of {length} patches is for {side} x '
            f'{side}, not for {height} x {width}: set pretrain_img_size='
            f'{16 * side}, so that it is interpolated'
        )


def _check_mode(
    shapes: Mapping[str, Shape], expected: Mapping[str, Shape]
) -> None:
    """Refuse an encoder that was trained in another mode, unless plain."""
    theirs, ours = _additions(shapes), _additions(expected)
    # A file may have an E4 that out_indices leaves out.
    if set(theirs) <= {*ours, 'a convolutional E4'}:
        return
    raise CheckpointError(
        f'the weights are for another mode: they have {theirs}, the backbone '
        f'{ours or "nothing of the kind"}. Build it in the mode that '
        '`convmae-mm inspect` prints for the file, or set '
        'allow_other_mode=True to do without them'
    )


def _additions(shapes: Mapping[str, Shape]) -> list[str]:
    """The kinds of additions among tensors, and the size of the windows."""
    kinds = sorted({kind for name in shapes if (kind := addition(name))})
    if WINDOW_TABLE in shapes:
        rows = shapes[WINDOW_TABLE][0]
        kinds.append(f'windows of {(isqrt(rows) + 1) // 2} tokens a side')
    return kinds


def _check_share(
    report: InitialisationReport, expected: Mapping[str, Shape]
) -> None:
    common = sum(1 for name in expected if not addition(name))
    found = common - len(report.missing)
    if found < LEAST_SHARE * common:
        raise UnmatchedTensorsError(
            f'only {found} of {common} tensors of the backbone found a value '
            f'({found / common:.1%}, needed are {LEAST_SHARE:.0%}); missing: '
            f'{list(report.missing)}; in the file and without a place: '
            f'{list(report.unexpected)}'
        )
