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
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from torch import nn
from torch.optim import Optimizer

from convmae_mm.errors import CheckpointError
from convmae_mm.registry import dicts

SCOPES = ('convmae_mm', 'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg')
# Where the modules named in a config of ours come from.
TRUSTED = tuple(f'{x}.' for x in (*SCOPES, 'torch.nn', 'torch.optim'))
# What these build takes configs, files or commands of its own.
DRIVERS = ('INFERENCERS', 'RUNNERS', 'RUNNER_CONSTRUCTORS')
PARTS = (nn.Module, Optimizer, OptimWrapper)


def read_config_text(text: str) -> Config:
    """The config that mmengine wrote as text.

    Raises:
        CheckpointError: If it holds anything but assignments of plain
            values, or asks for modules of other packages.
    """
    entries: dict[str, Any] = {}
    try:
        for statement in ast.parse(text).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    entries[name] = _evaluate(value)
                case _:
                    raise _refusal(statement)
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
    foreign = {
        name
        for name in _types(entries)
        if '.' in name and not name.startswith(TRUSTED)
    }
    if foreign:
        raise CheckpointError(
            f'the config inside asks for {sorted(foreign)}, which is code '
            'from elsewhere; if you trust it, give the config as a file of '
            'its own'
        )
    return Config(entries)


def check_parts(cfg: Config) -> None:
    """Check that a config builds nothing but parts of the libraries.

    To be called before anything of a config from a checkpoint is built.

    Raises:
        CheckpointError: Naming what is no model, transform, hook and so on.
    """
    content = cfg.to_dict()
    scopes = {entries.get('_scope_') for entries in dicts(content)}
    scopes.add(content.get('default_scope'))
    foreign = sorted(map(str, scopes - {*SCOPES, None}))
    foreign += sorted(x for x in _types(content) if not _is_part(x))
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


def _evaluate(node: Any) -> Any:
    """A plain value, and the calls and names that mmengine writes in one."""
    match node:
        case ast.Constant(value):
            return value
        case ast.List(items):
            return [_evaluate(x) for x in items]
        case ast.Tuple(items):
            return tuple(_evaluate(x) for x in items)
        case ast.Set(items):
            return {_evaluate(x) for x in items}
        case ast.Dict(keys, values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {_evaluate(key): _evaluate(x) for key, x in pairs}
        case ast.Call(ast.Name('dict'), [], named) if all(
            x.arg for x in named
        ):
            return {x.arg: _evaluate(x.value) for x in named}
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_evaluate(operand)
        case ast.UnaryOp(ast.USub(), operand):
            return -_evaluate(operand)
        case ast.Call(ast.Name('float'), [ast.Constant(str(text))], []):
            return float(text)
        case ast.Name('inf' | 'nan' as text):
            return float(text)
    raise _refusal(node)


def _refusal(node: ast.stmt | ast.expr) -> CheckpointError:
    return CheckpointError(
        f'the config inside is no plain one: line {node.lineno} has '
        f'{ast.unparse(node)[:60]!r}; give the config as a file of its own'
    )


def _types(part: Any) -> set[str]:
    """What a config asks to build or to import."""
    found = set()
    for entries in dicts(part):
        if isinstance(entries.get('type'), str):
            found.add(entries['type'])
        if entries.get('custom_imports'):
            found.add(f'custom_imports: {entries["custom_imports"]}.')
    return found
