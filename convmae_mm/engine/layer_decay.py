"""Layer-wise learning-rate decay for every model with a ConvMAE backbone."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm, _InstanceNorm
from rich.console import Console
from rich.table import Table
from torch import nn

from convmae_mm.errors import ConfigError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.registry import LIBRARIES, OPTIM_WRAPPER_CONSTRUCTORS

NORM_TYPES = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
DECAY_RULES = ('norm_decay_mult', 'bias_decay_mult', 'flat_decay_mult')
KNOWN_KEYS = ('layer_decay_rate', *DECAY_RULES, 'custom_keys')
KNOWN_CUSTOM_KEYS = ('lr_mult', 'decay_mult')
# Of mmdet and of mmseg, where LayerDecayOptimizerConstructor inherits from it.
FOREIGN_CONSTRUCTOR = 'LearningRateDecayOptimizerConstructor'


class LayeredBackbone(Protocol):
    """A backbone that knows which of its layers a parameter is in."""

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Layer id, from 0 at the input, and the number of layers."""
        ...


@dataclass
class LayerGroup:
    """Parameters that share one learning rate and one weight decay.

    ``layer_id`` counts from the input: 0 is the stem, ``num_layers - 1`` the
    part that learns at the full rate. ``weight_decay`` is None when the
    optimizer was given none.
    """

    layer_id: int
    lr_scale: float
    weight_decay: float | None
    names: list[str] = field(default_factory=list)
    params: list[nn.Parameter] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f'layer_{self.layer_id}'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give deeper layers of the backbone a higher learning rate.

    A parameter of layer ``i`` out of ``n`` learns at
    ``lr * layer_decay_rate ** (n - 1 - i)``. The backbone says which layer a
    parameter belongs to (``get_layer_depth``, as in mmpretrain); whatever
    lies outside the backbone is in the last layer and learns at ``lr``. The
    backbone is found wherever it sits, so that one constructor serves
    detectors, segmentors and classifiers.

    Parameters of one layer with one weight decay form one group, named after
    the layer. Frozen parameters are left out, a parameter that occurs twice
    is taken once, under its first name.

    Args:
        optim_wrapper_cfg: As for mmengine's default constructor. The
            optimizer must state ``lr``.
        paramwise_cfg: ``layer_decay_rate``, in (0, 1], is required. The rules
            for weight decay multiply the optimizer's ``weight_decay``; the
            first that applies counts: ``custom_keys`` (a dict from a part of
            a parameter's name to ``lr_mult`` and ``decay_mult``; of several
            parts that occur in a name the longest counts),
            ``norm_decay_mult`` (weights and biases of norm layers),
            ``bias_decay_mult`` (other biases), ``flat_decay_mult`` (other
            one-dimensional parameters).

    Raises:
        ConfigError: For an unknown key, a missing or invalid rate, a rule that
            cannot act, and a model without or with several backbones.

    Example:
        >>> optim_wrapper = dict(
        ...     optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
        ...     constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
        ...     paramwise_cfg=dict(layer_decay_rate=0.75, norm_decay_mult=0.))
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        _reject_unknown('paramwise_cfg', self.paramwise_cfg, KNOWN_KEYS)
        rate = self.paramwise_cfg.get('layer_decay_rate')
        if not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise ConfigError(
                'paramwise_cfg.layer_decay_rate must be a number in (0, 1], '
                f'got {rate!r}; for no decay at all leave out "constructor"'
            )
        if self.base_lr is None:
            raise ConfigError('optim_wrapper.optimizer must state "lr"')
        custom_keys = self.paramwise_cfg.get('custom_keys', {})
        for key, rule in custom_keys.items():
            name = f'paramwise_cfg.custom_keys[{key!r}]'
            _reject_unknown(name, rule, KNOWN_CUSTOM_KEYS)
        unusable = [key for key in DECAY_RULES if key in self.paramwise_cfg]
        if self.base_wd is None and unusable:
            raise ConfigError(
                f'{unusable} multiply the weight decay, but '
                'optim_wrapper.optimizer states no "weight_decay"'
            )

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, **kwargs: Any
    ) -> None:
        """Append the groups of ``module`` to ``params`` and log the table.

        Args:
            params: The optimizer's list of groups, extended in place.
            module: The whole model.
            **kwargs: Must be empty; mmengine's recursion is not used here.
        """
        if kwargs:
            raise TypeError(f'unexpected arguments {sorted(kwargs)}')
        groups = self.layer_groups(module)
        print_log(
            f'Layer-wise decay of the learning rate {self.base_lr:g}, rate '
            f'{self.paramwise_cfg["layer_decay_rate"]:g}:\n'
            f'{format_layer_groups(groups)}',
            logger='current',
        )
        params.extend(self._as_optimizer_group(group) for group in groups)

    def layer_groups(self, model: nn.Module) -> list[LayerGroup]:
        """The groups of ``model``, in the order of the layers.

        Raises:
            ConfigError: If there is no single backbone with
                ``get_layer_depth``, or if a custom key occurs in no name.
        """
        prefix, backbone = find_layered_backbone(model)
        self._check_custom_keys(model)
        rate = self.paramwise_cfg['layer_decay_rate']
        groups: dict[tuple[Any, ...], LayerGroup] = {}
        for name, param, owner in _trainable_parameters(model):
            layer_id, num_layers = backbone.get_layer_depth(name, prefix)
            lr_mult, decay_mult = self._multipliers(name, param, owner)
            weight_decay = (
                None if self.base_wd is None else self.base_wd * decay_mult
            )
            lr_scale = rate ** (num_layers - 1 - layer_id) * lr_mult
            group = groups.setdefault(
                (layer_id, lr_scale, weight_decay),
                LayerGroup(layer_id, lr_scale, weight_decay),
            )
            group.names.append(name)
            group.params.append(param)
        return sorted(
            groups.values(),
            key=lambda group: (group.layer_id, -(group.weight_decay or 0.0)),
        )

    def _multipliers(
        self, name: str, param: nn.Parameter, owner: nn.Module
    ) -> tuple[float, float]:
        """Factors on the learning rate and on the weight decay."""
        rules = self.paramwise_cfg
        custom_keys = rules.get('custom_keys', {})
        matching = [key for key in custom_keys if key in name]
        if matching:
            # The longest key wins, of equally long ones the first in the
            # alphabet: mmengine's rule.
            rule = custom_keys[min(matching, key=lambda k: (-len(k), k))]
            return rule.get('lr_mult', 1.0), rule.get('decay_mult', 1.0)
        if isinstance(owner, NORM_TYPES) and 'norm_decay_mult' in rules:
            return 1.0, rules['norm_decay_mult']
        if name.split('.')[-1] == 'bias' and 'bias_decay_mult' in rules:
            return 1.0, rules['bias_decay_mult']
        if param.ndim == 1 and 'flat_decay_mult' in rules:
            return 1.0, rules['flat_decay_mult']
        return 1.0, 1.0

    def _check_custom_keys(self, model: nn.Module) -> None:
        names = [name for name, _ in model.named_parameters()]
        unused = [
            key
            for key in self.paramwise_cfg.get('custom_keys', {})
            if not any(key in name for name in names)
        ]
        if unused:
            raise ConfigError(
                f'paramwise_cfg.custom_keys {unused} occur in no parameter '
                f'name of {type(model).__name__}: remove or correct them'
            )

    def _as_optimizer_group(self, group: LayerGroup) -> dict[str, Any]:
        optimizer_group: dict[str, Any] = {
            'params': group.params,
            'param_names': group.names,
            'group_name': group.name,
            'layer_id': group.layer_id,
            'lr_scale': group.lr_scale,
            'lr': self.base_lr * group.lr_scale,
        }
        if group.weight_decay is not None:
            optimizer_group['weight_decay'] = group.weight_decay
        return optimizer_group


def use_own_decay() -> None:
    """Decay a ConvMAE by its own layers, whatever constructor is named.

    Those of mmdet and mmseg know the layers of their own backbones alone:
    mmseg's gives every block of a ConvMAE the rate of the head, in silence,
    mmdet's ends in a bare NotImplementedError. May be called again.
    """
    construct = DefaultOptimWrapperConstructor.__call__
    if hasattr(construct, '__wrapped__'):
        return

    @functools.wraps(construct)
    def construct_by_own_layers(
        self: DefaultOptimWrapperConstructor, model: nn.Module
    ) -> OptimWrapper:
        backbone = getattr(_unwrap(model), 'backbone', None)
        if _knows_no_convmae(self) and isinstance(backbone, ConvMAE):
            print_log(
                'Layer-wise decay by convmae_mm instead of '
                f'{type(self).__name__}, which does not know the layers of a '
                'ConvMAE',
                logger='current',
            )
            self = _own_instead_of(self)
        return construct(self, model)

    DefaultOptimWrapperConstructor.__call__ = construct_by_own_layers


def _knows_no_convmae(constructor: DefaultOptimWrapperConstructor) -> bool:
    rule = type(constructor).add_params
    library = rule.__module__.partition('.')[0]
    return library in LIBRARIES and (
        rule.__qualname__.partition('.')[0] == FOREIGN_CONSTRUCTOR
    )


def _own_instead_of(
    theirs: DefaultOptimWrapperConstructor,
) -> LayerDecayOptimWrapperConstructor:
    """With the same rate; as with theirs, vectors are not decayed."""
    rate = theirs.paramwise_cfg.get('decay_rate')
    if rate is None:
        raise ConfigError(
            'optim_wrapper.paramwise_cfg has no decay_rate, which '
            f'{type(theirs).__name__} needs: a number such as 0.75'
        )
    rules = {} if theirs.base_wd is None else dict.fromkeys(DECAY_RULES, 0.0)
    return LayerDecayOptimWrapperConstructor(
        dict(theirs.optim_wrapper_cfg, optimizer=theirs.optimizer_cfg),
        dict(rules, layer_decay_rate=rate),
    )


def _unwrap(model: nn.Module) -> nn.Module:
    """What a wrapper for several processes holds, as mmengine looks."""
    return getattr(model, 'module', model)


def find_layered_backbone(model: nn.Module) -> tuple[str, LayeredBackbone]:
    """The one backbone that knows its layers, and the prefix of its names.

    Models that only forward ``get_layer_depth`` to their backbone, as
    mmpretrain's classifiers do, are passed over for what they contain.

    Raises:
        ConfigError: If there is none, or more than one.
    """
    layered: dict[str, Any] = {
        name: module
        for name, module in model.named_modules()
        if callable(getattr(module, 'get_layer_depth', None))
    }
    innermost = [
        name
        for name in layered
        if not any(_is_inside(other, name) for other in layered)
    ]
    if len(innermost) != 1:
        found = ', '.join(map(repr, innermost)) or 'none'
        raise ConfigError(
            'layer-wise decay needs one backbone with get_layer_depth, such '
            f'as ConvMAE, inside {type(model).__name__}; found: {found}'
        )
    name = innermost[0]
    return f'{name}.' if name else '', layered[name]


def format_layer_groups(groups: list[LayerGroup]) -> str:
    """A plain-text table of the groups, one line each.

    Long lists of names are shortened to the modules they come from.
    """
    table = Table(box=None, pad_edge=False)
    columns = ('group', 'lr scale', 'weight decay', 'tensors', 'parameters')
    for column in columns:
        table.add_column(column, justify='right', no_wrap=True)
    table.add_column('names', no_wrap=True)
    for group in groups:
        table.add_row(
            group.name,
            f'{group.lr_scale:.6g}',
            '-' if group.weight_decay is None else f'{group.weight_decay:g}',
            str(len(group.params)),
            f'{sum(param.numel() for param in group.params):,}',
            _summarise(group.names),
        )
    text = io.StringIO()
    Console(file=text, width=200).print(table)
    lines = text.getvalue().splitlines()
    return '\n'.join(line.rstrip() for line in lines)


def _summarise(names: list[str], limit: int = 4) -> str:
    """The modules that the names belong to: one in full, several in short."""
    for depth in (3, 2):
        modules = {'.'.join(name.split('.')[:depth]): None for name in names}
        if len(modules) == 1:
            break
    more = len(modules) - limit
    shown = ', '.join(list(modules)[:limit])
    return f'{shown}, {more} more' if more > 0 else shown


def _trainable_parameters(
    model: nn.Module,
) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Name, parameter and owning module, each parameter once."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for leaf, param in module.named_parameters(recurse=False):
            if not param.requires_grad or id(param) in seen:
                continue
            seen.add(id(param))
            yield f'{prefix}.{leaf}' if prefix else leaf, param, module


def _is_inside(name: str, parent: str) -> bool:
    return name != parent and (not parent or name.startswith(f'{parent}.'))


def _reject_unknown(
    where: str, given: dict[str, Any], known: tuple[str, ...]
) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f'{where} has unknown keys {unknown}; known: {known}'
        )
