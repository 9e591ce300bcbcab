"""Make any recipe so small that two cores run it in seconds.

What is shrunk: widths, picture sizes, numbers of anchors, proposals and
layers of heads, batch and length. What stays: the kind of network, its mode,
its number of stage-3 blocks (layer ids and window blocks refer to them), every
transform, every loss, the optimiser with its groups, the schedule. The data
are DigitScenes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from convmae_mm.apis.config import find_config
from convmae_mm.datasets.digit_scenes import CLASSES
from convmae_mm.variants import arch_zoo, resolve_arch

FACTOR = 8  # all widths are divided by it, so that they still fit
WIDTHS = frozenset(
    {
        'channels',
        'conv_out_channels',
        'embed_dims',
        'fc_out_channels',
        'feat_channels',
        'feedforward_channels',
        'in_channels',
        'input_features',
        'num_feats',
        'out_channels',
    }
)
# Largest values; smaller ones stay.
LIMITS = {
    'depth': 1,
    'max_per_img': 20,
    'nms_pre': 50,
    'num': 32,
    'num_layers': 2,
}
# Pixels, and what becomes of them; multiples of the largest stride.
PIXELS = {2048: 256, 1024: 64, 512: 64, 341: 43, 256: 40, 224: 32, 128: 64}
PIXEL_KEYS = frozenset(
    {
        'crop_size',
        'img_size',
        'pad_size_divisor',
        'pretrain_img_size',
        'scale',
        'size',
        'stride',
    }
)
CLASS_KEYS = frozenset({'num_classes', 'num_things_classes'})
BATCH = 2  # the coarsest pool of UperNet leaves BatchNorm one value a picture
# The config with the data of each scope. Its classes come too.
DATA_CONFIGS = {
    'mmdet': '_base_/datasets/digit_scenes_detection.py',
    'mmseg': '_base_/datasets/digit_scenes_segmentation.py',
    'mmpretrain': '_base_/datasets/digit_scenes_classification.py',
}
UNLABELLED = '_base_/datasets/digit_scenes_pretrain.py'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What a released or own checkpoint is loaded by.
LOADER_TYPES = ('Pretrained', 'convmae_mm.PretrainedConvMAE')


def shrink_config(
    cfg: Config,
    data_root: str | Path,
    steps: int = 1,
    encoder: str | Path | None = None,
) -> Config:
    """A copy of a recipe that two cores run in seconds.

    Args:
        cfg: A config with a ConvMAE as ``model.backbone``.
        data_root: Folder of a DigitScenes data set.
        steps: Iterations of training.
        encoder: A checkpoint that stands for the one the recipe starts
            from; None starts from scratch.

    Raises:
        ValueError: If ``steps`` is below 1, or the config is of a library
            that there are no data for.
    """
    if steps < 1:
        raise ValueError(f'{steps=} must be at least 1')
    scope = cfg.get('default_scope')
    if scope not in DATA_CONFIGS:
        raise ValueError(
            f'default_scope={scope!r} must be one of {sorted(DATA_CONFIGS)}'
        )
    small = unformatted(cfg)
    small.model = shrink_model(small.model, _count_classes(scope))
    _replace_checkpoint(small.model, encoder)
    for key in LOADERS:
        if small.get(key):
            count = steps if key == 'train_dataloader' else 1
            small[key] = shrink_loader(small[key], data_root, scope, count)
    if 'gallery' in small.model:
        small.model.gallery = shrink_loader(
            small.model.gallery, data_root, scope, steps
        )
    for key in ('val_evaluator', 'test_evaluator'):
        if (small.get(key) or {}).get('ann_file'):
            name = Path(_data_config(scope).val_evaluator.ann_file).name
            small[key].ann_file = str(Path(data_root, 'annotations', name))
        if (small.get(key) or {}).get('type') == 'Accuracy':
            small[key].topk = (1, 5)
    _shorten(small, steps)
    return small


def unformatted(cfg: Config) -> Config:
    """A copy that is written as it comes.

    mmengine formats a config each time that it is logged or saved, ten times
    in a training and a test: minutes, for something that takes seconds.
    """
    return Config(
        copy.deepcopy(cfg.to_dict()),
        filename=cfg.filename,
        format_python_code=False,
    )


def starting_checkpoint(model: Any) -> str | None:
    """The file that a model starts from, None if from scratch.

    Args:
        model: Config of a model, or of a part of one.
    """
    found = (
        str(init_cfg['checkpoint'])
        for part in _parts(model)
        for init_cfg in [part.get('init_cfg')]
        if _loads(init_cfg)
    )
    return next(found, None)


def shrink_model(
    model: Mapping[str, Any], classes: int | None = None
) -> ConfigDict:
    """A copy of a model's config with a narrow network.

    Args:
        model: Config with a ConvMAE as ``backbone``.
        classes: How many it shall tell apart; by default as many as it does.
    """
    known = {
        part[key] for part in _parts(model) for key in CLASS_KEYS & set(part)
    }
    arch = resolve_arch(model['backbone']['arch'])
    factor = 1 if arch == arch_zoo['tiny'] else FACTOR

    def rule(key: str, value: Any) -> Any:
        if key in WIDTHS:
            return _map_numbers(value, lambda x: max(x // factor, min(x, 16)))
        if key in CLASS_KEYS:
            return classes or value
        if key == 'class_weight' and value and classes:
            # one for each class, and perhaps one for none of them
            none = value[-1:] if len(value) - 1 in known else []
            return [*value[:classes], *none]
        return _shrink_item(key, value)

    small = _walk(model, rule)
    small.backbone.arch = dict(
        embed_dims=[width // factor for width in arch.embed_dims],
        depths=[1, 1, arch.depths[2]],
        num_heads=arch.num_heads,
        mlp_ratios=[1, 1, 1],
    )
    return small


def shrink_loader(
    loader: Mapping[str, Any], data_root: str | Path, scope: str, count: int
) -> ConfigDict:
    """A copy of a data loader's config that reads ``count`` small batches.

    The transforms stay as they are, with smaller sizes.

    Args:
        loader: Config of a data loader.
        data_root: Folder of a DigitScenes data set.
        scope: Library of the data: 'mmdet', 'mmseg' or 'mmpretrain'.
        count: Number of batches.
    """
    small = ConfigDict(copy.deepcopy(dict(loader)))
    dataset = small.dataset
    labelled = 'UnlabelledImageFolder' not in dataset.type
    source = _data_config(scope if labelled else None)
    is_test = dataset.get('test_mode') or dataset.get('split') == 'val'
    is_test = is_test or 'val' in str(dataset.get('data_prefix', ''))
    replacement = source.val_dataloader if is_test else source.train_dataloader
    small.dataset = ConfigDict(
        copy.deepcopy(dict(replacement.dataset)),
        data_root=f'{data_root}/',
        pipeline=shrink_transforms(dataset.pipeline),
        indices=BATCH * count,
    )
    small.update(batch_size=BATCH, num_workers=0, persistent_workers=False)
    return small


def shrink_transforms(pipeline: Sequence[Any]) -> Any:
    """A copy of transforms' configs with smaller sizes."""
    return _walk(pipeline, _shrink_item)


def _data_config(scope: str | None) -> Config:
    """Ours for a library; without one, that of pictures without labels."""
    file = UNLABELLED if scope is None else DATA_CONFIGS[scope]
    return Config.fromfile(find_config(file))


def _count_classes(scope: str) -> int:
    dataset = _data_config(scope).val_dataloader.dataset
    return len(dataset.get('metainfo', {}).get('classes', CLASSES))


def _walk(value: Any, rule: Callable[[str, Any], Any], key: str = '') -> Any:
    """Apply a rule to every entry, however deep it sits; lists by item."""
    if isinstance(value, Mapping):
        return ConfigDict(
            {name: _walk(item, rule, name) for name, item in value.items()}
        )
    if isinstance(value, (list, tuple)) and any(
        isinstance(item, (Mapping, list, tuple)) for item in value
    ):
        return [_walk(item, rule, key) for item in value]
    return rule(key, value)


def _parts(value: Any) -> Iterator[Any]:
    """Every dict in a config, the outer ones first."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)


def _map_numbers(value: Any, change: Callable[[int], int]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_map_numbers(item, change) for item in value)
    return change(value) if isinstance(value, int) else value


def _shrink_item(key: str, value: Any) -> Any:
    if key in PIXEL_KEYS:
        return _map_numbers(value, lambda side: PIXELS.get(side, side))
    if key in LIMITS and isinstance(value, int):
        return min(value, LIMITS[key])
    return value


def _loads(init_cfg: Any) -> bool:
    return isinstance(init_cfg, Mapping) and (
        init_cfg.get('type') in LOADER_TYPES
    )


def _replace_checkpoint(model: Any, encoder: str | Path | None) -> None:
    """Let every part that loads a file load ``encoder``, or nothing."""
    for part in _parts(model):
        if _loads(part.get('init_cfg')):
            if encoder is None:
                part['init_cfg'] = None
            else:
                part['init_cfg']['checkpoint'] = str(encoder)


def _shorten(cfg: Config, steps: int) -> None:
    """A training of ``steps`` iterations, one test and one checkpoint."""
    if not cfg.get('train_cfg'):
        return
    if 'max_epochs' in cfg.train_cfg:
        # The data set is so short that an epoch has that many iterations.
        cfg.train_cfg.update(max_epochs=1)
        interval = 1
    else:
        cfg.train_cfg.update(max_iters=steps)
        interval = steps
    if cfg.get('val_cfg'):
        cfg.train_cfg.val_interval = interval
    cfg.merge_from_dict(
        {
            'default_hooks.checkpoint.interval': interval,
            'default_hooks.logger.interval': 1,
        }
    )
