"""Read the config inside a checkpoint without running what it says.

mmengine keeps the text of a training's config, which is Python, in its
checkpoints and runs it to read it back. A file from elsewhere must not be
able to do that: here only names bound to plain values are read. A registry
calls whatever a dotted path leads to, so before anything is built, what is
asked for must be a part that the libraries registered.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from torch import nn
from torch.optim import Optimizer

from convmae_mm.errors import CheckpointError

# Where the modules named in a config of ours come from.
TRUSTED = (
    *('convmae_mm.', 'mmengine.', 'mmcv.', 'mmdet.', 'mmseg.'),
    *('mmpretrain.', 'torch.nn.', 'torch.optim.'),
)
SCOPES = ('convmae_mm', 'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg')
# What these build takes configs, files or commands of its own.
DRIVERS = ('INFERENCERS', 'RUNNERS', 'RUNNER_CONSTRUCTORS')
PARTS = (nn.Module, Optimizer, OptimWrapper)


def read_config_text(text: str) -> Config:
    """The config that mmengine wrote as text.

    Raises:
        CheckpointError: If it holds anything but assignments of plain
            values, or asks for modules of other packages.
    """
    try:
        entries = dict(map(_read_assignment, ast.parse(text).body))
    except CheckpointError:
        raise
    except SyntaxError as error:
        raise CheckpointError(
            f'the config inside is damaged: line {error.lineno}: {error.msg}'
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f'the config inside is no plain one: {error}'
        ) from error
    foreign = sorted(
        {
            name
            for name in _types(entries)
            if '.' in name and not name.startswith(TRUSTED)
        }
    )
    if foreign:
        raise CheckpointError(
            f'the config inside asks for {foreign}, which is code from '
            'elsewhere; if you trust it, give the config as a file of its own'
        )
    return Config(entries)


def check_parts(cfg: Config) -> None:
    """Check that a config builds nothing but parts of the libraries.

    To be called before anything of a config from a checkpoint is built.

    Raises:
        CheckpointError: Naming what is no model, transform, hook and so on.
    """
    content = cfg.to_dict()
    scopes = set(_values(content, '_scope_')) | {content.get('default_scope')}
    foreign = sorted(map(str, scopes - {*SCOPES, None}))
    foreign += sorted({x for x in _types(content) if not _is_part(x)})
    if foreign:
        raise CheckpointError(
            f'the config inside asks for {foreign}, which is no part that '
            'the libraries register, and is not called; if you trust it, '
            'give the config as a file of its own'
        )


def _is_part(name: str) -> bool:
    """Whether a registry that is asked for a name finds a part."""
    if '.' not in name:
        # A registry imports a module of that name, if it knows no part.
        return not name.isidentifier() or not importlib.util.find_spec(name)
    if name.startswith('custom_imports'):
        return False
    for root in _registries():
        try:
            found = root.get(name)
        except (ImportError, AttributeError, KeyError):
            continue
        if found is not None:
            return (
                inspect.isclass(found) and issubclass(found, PARTS)
            ) or _is_registered(found)
    return False


def _registries() -> list[Registry]:
    return [
        x
        for name, x in vars(mmengine_registry).items()
        if isinstance(x, Registry) and name not in DRIVERS
    ]


def _is_registered(found: Any) -> bool:
    below = _registries()
    for node in below:
        below += node.children.values()
    return any(found is x for node in below for x in node.module_dict.values())


def _read_assignment(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _evaluate(value)
    raise _refusal(statement)


def _evaluate(node: ast.expr) -> Any:
    """A plain value: numbers, text, lists, tuples, sets, dicts of them."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [_evaluate(x) for x in items]
        case ast.Tuple(elts=items):
            return tuple(_evaluate(x) for x in items)
        case ast.Set(elts=items):
            return {_evaluate(x) for x in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _evaluate(key): _evaluate(value)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand)
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=entries):
            if all(entry.arg for entry in entries):
                return {str(x.arg): _evaluate(x.value) for x in entries}
        case ast.Call(
            func=ast.Name(id='float'),
            args=[ast.Constant(value=str(value))],
            keywords=[],
        ):
            return float(value)
        case ast.Name(id='inf' | 'nan' as value):
            return float(value)
    raise _refusal(node)


def _refusal(node: ast.stmt | ast.expr) -> CheckpointError:
    return CheckpointError(
        f'the config inside is no plain one: line {node.lineno} has '
        f'{ast.unparse(node)[:60]!r}; give the config as a file of its own'
    )


def _values(part: Any, name: str) -> Iterator[Any]:
    """What a key stands for anywhere in a config."""
    if isinstance(part, dict):
        if name in part:
            yield part[name]
        for value in part.values():
            yield from _values(value, name)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _values(value, name)


def _types(part: Any) -> Iterator[str]:
    """What a config asks to build or to import."""
    if isinstance(part, dict):
        if isinstance(part.get('type'), str):
            yield part['type']
        for key, value in part.items():
            if key == 'custom_imports' and value:
                yield f'custom_imports: {value}.'
            yield from _types(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _types(value)
