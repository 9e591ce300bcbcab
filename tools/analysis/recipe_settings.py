"""The settings that make a recipe, read off a config.

Each under a plain name and in one form, so that they can be printed, and
compared with published ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from network_cost import build_on
from published import Published

from convmae_mm.engine.layer_decay import find_layered_backbone

DECAY_RULES = {
    'norm_decay_mult': 'norm',
    'bias_decay_mult': 'bias',
    'flat_decay_mult': 'flat',
}


@dataclass(frozen=True)
class GroupSummary:
    """Parameters that learn alike.

    Attributes:
        layer: Layer id of the encoder; the last one for what is outside.
        rate: Learning rate.
        weight_decay: Weight decay.
        tensors: Number of tensors.
        params: Number of parameters.
        example: Name of the first of them.
    """

    layer: int
    rate: float
    weight_decay: float
    tensors: int
    params: int
    example: str


@dataclass(frozen=True)
class Comparison:
    """A setting, here and as published.

    ``verdict`` is 'same', 'differs', or 'unpublished' where the published
    recipe does not say.
    """

    name: str
    ours: Any
    published: Any
    verdict: Literal['same', 'differs', 'unpublished']


def recipe_settings(cfg: Config) -> dict[str, Any]:
    """The settings of a config that trains, by name, as far as it has them.

    Raises:
        ValueError: If the config does not train.
    """
    if not cfg.get('train_cfg') or not cfg.get('optim_wrapper'):
        raise ValueError('the config trains nothing: it has no recipe')
    return {
        **_optimizer_settings(cfg),
        **_schedule_settings(cfg),
        **_model_settings(cfg.model),
        **_data_settings(cfg),
    }


def compare(
    settings: Mapping[str, Any], published: Published | None
) -> list[Comparison]:
    """Hold settings against published ones, in the order of ``settings``.

    What is published and absent here comes last, and differs.
    """
    recipe = dict(published.recipe) if published else {}
    rows = [
        _compare_one(name, value, recipe.pop(name, None))
        for name, value in settings.items()
    ]
    rows += [
        Comparison(name, None, value, 'differs')
        for name, value in recipe.items()
    ]
    return rows


def parameter_groups(cfg: Config) -> list[GroupSummary]:
    """The groups that the optimiser would have, alike ones together."""
    model = build_on(cfg)
    _, backbone = find_layered_backbone(model)
    wrapper_cfg = {
        key: value
        for key, value in cfg.optim_wrapper.items()
        if key not in ('type', 'dtype', 'loss_scale')
    }
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        wrapper = build_optim_wrapper(
            model, {'type': 'OptimWrapper', **wrapper_cfg}
        )
    names = {id(param): name for name, param in model.named_parameters()}
    found: dict[tuple[int, float, float], list[tuple[str, int]]] = {}
    for group in wrapper.optimizer.param_groups:
        for param in group['params']:
            name = names[id(param)]
            layer, _ = backbone.get_layer_depth(name, 'backbone.')
            key = (layer, group['lr'], group['weight_decay'])
            found.setdefault(key, []).append((name, param.numel()))
    ordered = sorted(found.items(), key=lambda x: (x[0][0], -x[0][2]))
    return [
        GroupSummary(
            layer=layer,
            rate=rate,
            weight_decay=decay,
            tensors=len(items),
            params=sum(count for _, count in items),
            example=items[0][0],
        )
        for (layer, rate, decay), items in ordered
    ]


def augmentations(cfg: Config) -> list[str]:
    """The transforms of the training pictures, one line each."""
    lines = []
    for step in cfg.train_dataloader.dataset.pipeline:
        arguments = ', '.join(
            f'{key}={value!r}' for key, value in step.items() if key != 'type'
        )
        lines.append(f'{step["type"]}({arguments})')
    augments = (cfg.model.get('train_cfg') or {}).get('augments') or []
    lines += [f'batch: {dict(item)}' for item in augments]
    return lines


def _compare_one(name: str, ours: Any, published: Any) -> Comparison:
    if published is None:
        return Comparison(name, ours, None, 'unpublished')
    if isinstance(ours, float) and isinstance(published, (int, float)):
        same = math.isclose(ours, published, rel_tol=1e-6)
    else:
        same = ours == published
    return Comparison(name, ours, published, 'same' if same else 'differs')


def _optimizer_settings(cfg: Config) -> dict[str, Any]:
    wrapper = cfg.optim_wrapper
    optimizer = wrapper.optimizer
    rules = wrapper.get('paramwise_cfg') or {}
    undecayed = [
        label for key, label in DECAY_RULES.items() if rules.get(key) == 0
    ]
    undecayed += [
        key.removeprefix('backbone.')
        for key, rule in (rules.get('custom_keys') or {}).items()
        if rule.get('decay_mult') == 0
    ]
    settings: dict[str, Any] = {
        'optimizer': optimizer.type,
        'learning rate': float(optimizer.lr),
        'weight decay': float(optimizer.get('weight_decay', 0)),
        'undecayed': tuple(sorted(undecayed)),
        'precision': _precision(wrapper),
    }
    if 'betas' in optimizer:
        settings['betas'] = tuple(optimizer.betas)
    if 'layer_decay_rate' in rules:
        settings['layer decay'] = rules['layer_decay_rate']
    return settings


def _precision(wrapper: Mapping[str, Any]) -> str:
    if wrapper.get('type') != 'AmpOptimWrapper':
        return 'float32'
    return str(wrapper.get('dtype') or 'float16')


def _schedule_settings(cfg: Config) -> dict[str, Any]:
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    scale = cfg.get('auto_scale_lr') or {}
    settings: dict[str, Any] = {'batch': scale.get('base_batch_size')}
    if 'max_epochs' in cfg.train_cfg:
        settings['length'] = f'{cfg.train_cfg.max_epochs} epochs'
        unit = 'epochs'
    else:
        # An iteration is a step of the optimiser, as published.
        settings['length'] = f'{cfg.train_cfg.max_iters // steps} iterations'
        unit = 'iterations'
    for scheduler in cfg.get('param_scheduler') or []:
        if scheduler.type == 'LinearLR':
            units = unit if scheduler.get('by_epoch', True) else 'iterations'
            settings['warm-up'] = f'{scheduler.end // steps} {units}'
            settings['warm-up from'] = scheduler.start_factor
        else:
            settings['decay'] = _describe_decay(scheduler, steps, cfg)
    return settings


def _describe_decay(
    scheduler: Mapping[str, Any], steps: int, cfg: Config
) -> str:
    kind = scheduler['type']
    if kind == 'MultiStepLR':
        at = ', '.join(str(x // steps) for x in scheduler['milestones'])
        return f'x{scheduler.get("gamma", 0.1):g} at {at}'
    least = scheduler.get('eta_min') or 0.0
    if scheduler.get('eta_min_ratio'):
        least = scheduler['eta_min_ratio'] * cfg.optim_wrapper.optimizer.lr
    if kind == 'PolyLR':
        return f'polynomial, power {scheduler.get("power", 1):g}, to {least:g}'
    if kind == 'CosineAnnealingLR':
        return f'cosine to {least:g}'
    return str(kind)


def _model_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    backbone = model['backbone']
    settings: dict[str, Any] = {
        'arch': backbone['arch'],
        'mode': backbone.get('mode', 'plain'),
        'drop path': backbone.get('drop_path_rate', 0.0),
    }
    if 'mask_ratio' in model:
        settings['mask ratio'] = model['mask_ratio']
        settings['masks'] = model.get('num_masks', 1)
        settings['normalised target'] = model['head'].get('norm_pix', True)
    for augment in (model.get('train_cfg') or {}).get('augments') or []:
        settings[augment['type'].lower()] = augment['alpha']
    head = model.get('head') or {}
    loss = head.get('loss') or {}
    if 'label_smooth_val' in loss:
        settings['label smoothing'] = loss['label_smooth_val']
    for neck in _as_list(model.get('neck')):
        if 'pooling' in neck:
            settings['pooling'] = neck['pooling'].replace('_', ' ')
    if 'decode_head' in model:
        settings['test'] = _describe_test(model['test_cfg'])
    return settings


def _describe_test(test_cfg: Mapping[str, Any]) -> str:
    if test_cfg['mode'] != 'slide':
        return str(test_cfg['mode'])
    return f'slide {test_cfg["crop_size"][0]} / {test_cfg["stride"][0]}'


def _data_settings(cfg: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for step in cfg.train_dataloader.dataset.pipeline:
        kind = step.type.removeprefix('convmae_mm.')
        if kind == 'RandomResizedCrop':
            settings['size'] = step.scale
            # mmpretrain's default, as torchvision's
            settings['scale'] = tuple(
                step.get('crop_ratio_range', (0.08, 1.0))
            )
        elif kind == 'RandomResize':
            settings['scale'] = tuple(step.ratio_range)
        elif kind == 'RandomCrop':
            settings['size'] = step.crop_size[0]
        elif kind == 'RandomFlip':
            settings['flip'] = step.prob
        elif kind == 'RandomErasing':
            settings['random erasing'] = step.erase_prob
        elif kind == 'RandAugment':
            settings['RandAugment'] = (
                step.magnitude_level,
                step.magnitude_std,
            )
    return settings


def _as_list(
    necks: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> Iterator[Mapping[str, Any]]:
    if isinstance(necks, Mapping):
        yield necks
    elif necks:
        yield from necks
