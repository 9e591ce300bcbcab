"""Registry nodes of convmae_mm, children of mmengine's roots.

Each node names the modules that register into it, so that a config may say
``type='convmae_mm.ConvMAE'`` in mmdet, mmseg or mmpretrain and nothing has to
be imported by hand: mmengine imports ``convmae_mm.registry`` when it meets
the scope, and the node's ``locations`` when it looks a name up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import (
    OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
)
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import (
    WEIGHT_INITIALIZERS as MMENGINE_WEIGHT_INITIALIZERS,
)
from mmengine.registry import Registry

SCOPE = 'convmae_mm'
LIBRARIES = ('mmdet', 'mmseg', 'mmpretrain')

# mmengine resolves `_base_ = 'convmae_mm::...'` for packages listed here only,
# and looks for the folder `.mim` beside the module named on the right.
MODULE2PACKAGE.setdefault(SCOPE, 'convmae_mm.registry')

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope=SCOPE,
    locations=[
        'convmae_mm.models.backbones',
        'convmae_mm.models.necks',
        'convmae_mm.models.selfsup',
    ],
)
DATASETS = Registry(
    'dataset',
    parent=MMENGINE_DATASETS,
    scope=SCOPE,
    locations=['convmae_mm.datasets'],
)
TRANSFORMS = Registry(
    'transform',
    parent=MMENGINE_TRANSFORMS,
    scope=SCOPE,
    locations=['convmae_mm.datasets'],
)
HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope=SCOPE,
    locations=['convmae_mm.engine'],
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope=SCOPE,
    locations=['convmae_mm.engine'],
)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer',
    parent=MMENGINE_WEIGHT_INITIALIZERS,
    scope=SCOPE,
    locations=['convmae_mm.engine'],
)


def type_name(cfg: Any) -> str:
    """The type that a config builds, without its package.

    Args:
        cfg: With a ``type``, a dotted name or, in newer configs, the class
            itself; '' for one without, and for what is no config.
    """
    kind = cfg.get('type', '') if isinstance(cfg, Mapping) else ''
    if not isinstance(kind, str):
        return str(getattr(kind, '__name__', kind))
    return kind.rpartition('.')[2]


def scope_of(cfg: Any) -> str | None:
    """The library that a config is for; None if it does not tell.

    Configs that import what they use have no ``default_scope``; there the
    class of the model tells.
    """
    scope = cfg.get('default_scope')
    if scope:
        return str(scope)
    kind = (cfg.get('model') or {}).get('type') or ''
    place = kind if isinstance(kind, str) else kind.__module__
    library = place.partition('.')[0]
    return library if library in LIBRARIES else None


def find_class(root: Registry, kind: Any) -> Any:
    """What a type stands for in the current scope; None if it is unknown.

    Args:
        root: The registry of mmengine for its kind.
        kind: A name, or in newer configs the class itself.
    """
    with root.switch_scope_and_registry(None) as registry:
        return registry.get(kind) if isinstance(kind, str) else kind


def walk(part: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Everything in a tree of dicts and lists with its dotted key.

    Args:
        part: A config, or something in one; comes first.
        key: Where it is.
    """
    yield key, part
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(part, Mapping):
        items = list(part.items())
    elif isinstance(part, (list, tuple)):
        items = enumerate(part)
    for name, value in items:
        yield from walk(value, f'{key}.{name}' if key else str(name))


def dicts(part: Any) -> Iterator[Any]:
    """Every dict in a tree of dicts and lists, the outer ones first."""
    return (x for _, x in walk(part) if isinstance(x, Mapping))
