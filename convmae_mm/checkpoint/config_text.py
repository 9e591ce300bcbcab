"""Read the config inside a checkpoint without running what it says.

mmengine keeps the text of a training's config, which is Python, in its
checkpoints and runs it to read it back. A file from elsewhere must not be
able to do that: here only names bound to plain values are read, and what
they ask to build must belong to the libraries that we know.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from convmae_mm.errors import CheckpointError

# Where the modules named in a config of ours come from.
TRUSTED = (
    *('convmae_mm.', 'mmengine.', 'mmcv.', 'mmdet.', 'mmseg.'),
    *('mmpretrain.', 'torch.nn.', 'torch.optim.'),
)


def read_config_text(text: str) -> Config:
    """The config that mmengine wrote as text.

    Raises:
        CheckpointError: If it holds anything but assignments of plain
            values, or asks for modules of other packages.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise CheckpointError(
            f'the config inside is damaged: line {error.lineno}: {error.msg}'
        ) from error
    entries: dict[str, Any] = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                entries[name] = _evaluate(value)
            case _:
                raise _refusal(statement)
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
