"""Put a ConvMAE into a config that was written for another backbone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from convmae_mm.errors import ConfigError
from convmae_mm.models.backbones.feature_info import FeatureInfo
from convmae_mm.models.building import explaining
from convmae_mm.registry import MODELS, dicts, scope_of, type_name
from convmae_mm.variants import STRIDES, resolve_arch

# What the encoder was pretrained with, RGB.
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


# Algorithms of mmpretrain that hand their mask to the backbone.
MASKING = frozenset(
    'BEiT CAE EVA MAE MFF MILAN MaskFeat MixMIM SimMIM SparK iTPN'.split()
)


@dataclass(frozen=True)
class Maps:
    """What a backbone returns.

    Attributes:
        channels: Of each map, or of the one vector.
        strides: Of each map in pixels; empty for a vector.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]


def use_backbone(
    config: Config,
    arch: str | Mapping = 'base',
    mode: str | None = None,
    checkpoint: str | None = None,
    **backbone: Any,
) -> Config:
    """A copy of a config of mmdet, mmseg or mmpretrain, with a ConvMAE.

    The old backbone is built once to see its maps. Then the new one gets the
    maps of the same strides, whatever reads them its channels, the data
    preprocessor its mean, deviation and size divisor, and weights of the old
    network are no longer asked for. Classifiers of vectors get a mean over
    E3.

    Args:
        config: As shipped; not edited.
        arch: See :class:`convmae_mm.ConvMAE`.
        mode: See there; 'detection' in mmdet and 'plain' elsewhere by
            default. 'vitdet' takes the place of the FPN too.
        checkpoint: File of a pretrained encoder.
        **backbone: Further settings of the backbone, such as ``img_size``.

    Raises:
        ConfigError: If the config has no backbone, or one whose maps a
            ConvMAE does not have.
    """
    changed = copy.deepcopy(config)
    scope = scope_of(changed) or 'mmengine'
    found = list(_with_backbone(changed.get('model', {})))
    if not found:
        raise ConfigError('model has no backbone with a type to exchange')
    new = dict(
        type='convmae_mm.ConvMAE',
        arch=arch,
        mode=mode or ('detection' if scope == 'mmdet' else 'plain'),
        **backbone,
    )
    if checkpoint is not None:
        new['init_cfg'] = dict(
            type='convmae_mm.PretrainedConvMAE', checkpoint=checkpoint
        )
    for model in found:
        _exchange(model, new, scope)
    for owner in (changed, *dicts(changed.model)):
        _prepare(owner.get('data_preprocessor'))
    changed.load_from = None
    return changed


def _with_backbone(node: Any) -> Iterator[ConfigDict]:
    """The models in ``node`` whose backbone has a type."""
    for part in dicts(node):
        if isinstance(part.get('backbone'), dict) and part.backbone.get(
            'type'
        ):
            yield part


def _exchange(model: ConfigDict, new: dict[str, Any], scope: str) -> None:
    """Exchange the backbone of one model, and tell those that read it."""
    if type_name(model) in MASKING:
        raise ConfigError(
            f'{type_name(model)} hands its mask to the backbone, and a '
            'ConvMAE draws its own: pretrain with convmae_mm.ConvMAEPretrain'
        )
    old = _measure(model.backbone, scope)
    pyramid = new['mode'] == 'vitdet'
    indices = (2,) if pyramid else _choose(old.strides)
    dims = resolve_arch(new['arch']).embed_dims
    widths = FeatureInfo((*dims, dims[2]), indices).channels()
    model.backbone = ConfigDict(new, out_indices=indices)
    model.pop('pretrained', None)
    init = model.get('init_cfg')
    if isinstance(init, dict) and type_name(init) == 'Pretrained':
        model.init_cfg = None
    neck = model.get('neck')
    kind = type_name(neck) if isinstance(neck, dict) else None
    if kind == 'Feature2Pyramid':  # makes scales that a ConvMAE has
        model.pop('neck')
    elif kind == 'MultiLevelNeck':
        neck.scales = [1] * len(indices)
    if pyramid:
        _use_simple_pyramid(model, widths[0])
    elif not old.strides:
        _pool(model, old.channels, widths)
    else:
        _pass_through(model, old.channels, widths)
        readers = _readers(model)
        before = copy.deepcopy(readers)
        for reader in readers:
            _replace_channels(reader, old.channels, widths)
        _check_read(before, readers, old.channels, widths)


def _pool(model: ConfigDict, old: tuple[int, ...], new: list[int]) -> None:
    """Make a vector of E3 for what reads vectors."""
    neck = model.get('neck')
    if isinstance(neck, dict) and 'with_avg_pool' in neck:
        neck['with_avg_pool'] = True
        _replace_channels(neck, old, new)
        return
    model.neck = ConfigDict(type='mmpretrain.GlobalAveragePooling')
    head = model.get('head')
    before = copy.deepcopy(head)
    _replace_channels(head, old, new)
    if head is not None:
        _check_read([before], [head], old, new)


def _check_read(
    before: list[Any],
    after: list[Any],
    old: tuple[int, ...],
    new: list[int],
) -> None:
    if list(old) != new and before == after:
        raise ConfigError(
            f'nothing in the model reads in_channels={old} of the old '
            'backbone: exchange this backbone by hand'
        )


def _measure(backbone: ConfigDict, scope: str) -> Maps:
    """Build a backbone and look at what it returns."""
    config = {**copy.deepcopy(backbone), '_scope_': scope}
    config.pop('init_cfg', None)
    size = config.get('img_size', 224)
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    channels = config.get('in_channels', 3)
    with explaining(f'the old backbone {config["type"]}'), torch.no_grad():
        module = MODELS.build(config)
        for part in module.modules():
            if getattr(part, 'eps', None) == 0:  # torch takes it no longer
                part.eps = 1e-5
        # in training, when some return more; two, for norms over a batch
        maps = module(torch.zeros(2, channels, height, width))
    maps = maps if isinstance(maps, Sequence) else [maps]
    if not all(isinstance(x, torch.Tensor) for x in maps):
        raise ConfigError(
            f'the old backbone {config["type"]} returns more than maps: '
            'exchange it by hand'
        )
    return Maps(
        channels=tuple(x.shape[1] for x in maps),
        strides=tuple(-(-height // x.shape[2]) for x in maps if x.ndim == 4),
    )


def _choose(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Which of E1..E4 stand for maps of these strides.

    Raises:
        ConfigError: If there is none for one of them.
    """
    if not strides:
        return (2,)
    if len(set(strides)) == len(strides) and set(strides) <= set(STRIDES):
        return tuple(STRIDES.index(stride) for stride in strides)
    if len(strides) == 1:  # the nearest
        nearest = min(STRIDES, key=lambda stride: abs(stride - strides[0]))
        return (STRIDES.index(nearest),)
    if len(strides) == len(STRIDES):  # dilated: the last ones are as large
        return (0, 1, 2, 3)
    raise ConfigError(
        f'the old backbone has maps of strides {strides}; a ConvMAE has '
        f'{STRIDES}, each once'
    )


def _readers(model: ConfigDict) -> list[Any]:
    """What reads the backbone's maps: the first neck, or else all heads."""
    neck = model.get('neck')
    first = neck[0] if isinstance(neck, list) else neck
    if first and any('in_channels' in part for part in dicts(first)):
        return [first]
    names = 'decode_head auxiliary_head head bbox_head rpn_head'.split()
    names += ['panoptic_head', 'mask_head']
    heads = [model[name] for name in names if model.get(name)]
    nested = [x if isinstance(x, list | tuple) else [x] for x in heads]
    return [head for several in nested for head in several]


def _pass_through(
    model: ConfigDict, old: tuple[int, ...], new: list[int]
) -> None:
    """Exchange what a neck like SSD's hands on of the maps as they are."""
    neck, head = model.get('neck'), model.get('bbox_head')
    outer = neck.get('out_channels') if isinstance(neck, dict) else None
    if isinstance(outer, list | tuple) and tuple(outer[: len(old)]) == old:
        neck.out_channels = (*new, *outer[len(old) :])
        neck.in_channels = tuple(neck.in_channels)
        if tuple(head.get('in_channels', ())) == tuple(outer):
            head.in_channels = neck.out_channels


def _replace_channels(
    reader: Any, old: tuple[int, ...], new: list[int]
) -> None:
    """Exchange every number of channels that is one of the old ones.

    A single number inside of a reader counts only beside an ``in_index``:
    other parts of a head may be as wide by chance.
    """
    of = dict(zip(old, new, strict=True))
    for part in dicts(reader):
        index = part.get('in_index')
        for key in [key for key in part if str(key).endswith('in_channels')]:
            value = part[key]
            if isinstance(value, int) and value in of:
                if isinstance(index, int) and old[index] == value:
                    part[key] = new[index]
                elif part is reader or index is not None:
                    part[key] = of[value]
            elif isinstance(value, list | tuple):
                if tuple(value) == old:
                    part[key] = type(value)(new)
                elif all(isinstance(v, int) and v in of for v in value):
                    part[key] = type(value)(of[v] for v in value)


def _use_simple_pyramid(model: ConfigDict, channels: int) -> None:
    neck = model.get('neck')
    kind = type_name(neck) if isinstance(neck, dict) else neck
    if kind != 'FPN':
        raise ConfigError(
            "mode='vitdet' brings a simple pyramid in place of an FPN, but "
            f"the neck is {kind!r}; use mode='detection'"
        )
    model.neck = ConfigDict(
        type='convmae_mm.SimpleFPN',
        in_channels=channels,
        out_channels=neck.out_channels,
        num_outs=max(4, neck.num_outs),
    )


def _prepare(preprocessor: Any) -> None:
    """Normalise as in pretraining, and pad to the coarsest stride."""
    if not isinstance(preprocessor, dict):
        return
    if len(preprocessor.get('mean') or MEAN) == len(MEAN):
        swap = 'to_rgb' if 'to_rgb' in preprocessor else 'bgr_to_rgb'
        preprocessor.pop('rgb_to_bgr', None)
        preprocessor.update({'mean': MEAN, 'std': STD, swap: True})
    name = type_name(preprocessor)
    if name == 'SegDataPreProcessor':
        preprocessor.setdefault('test_cfg', dict(size_divisor=STRIDES[-1]))
    elif name == 'DetDataPreprocessor':
        divisor = preprocessor.get('pad_size_divisor', 1)
        preprocessor['pad_size_divisor'] = lcm(divisor, STRIDES[-1])
