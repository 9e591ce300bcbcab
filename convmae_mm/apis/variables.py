"""Variables of a config file, set before the file computes with them."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .overrides import READ_KEYS, warn_unread

# What only works where the file is: files it inherits from, its own place.
BOUND_TO_ITS_PLACE = ('_base_', 'read_base', '{{', '__file__')


def read_with_variables(
    path: Path, overrides: Mapping[str, Any]
) -> tuple[Config, dict[str, Any]]:
    """Read a config file whose variables have other values.

    ``img_size = 640`` near the top of a file that stands by itself decides
    on crops, padding and position tables below it, so it is replaced before
    any of them is computed.

    Args:
        path: Of the config.
        overrides: From dotted keys to values.

    Returns:
        The config, and the overrides that are none of its variables.

    """
    places = _variables(path) if path.suffix == '.py' else {}
    mine = {key: overrides[key] for key in overrides if key in places}
    if not mine:
        return Config.fromfile(path), dict(overrides)
    text = path.read_text('utf-8')
    for key in sorted(mine, key=lambda key: -places[key][0]):
        start, end = places[key]
        text = f'{text[:start]}{mine[key]!r}{text[end:]}'
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / path.name
        changed.write_text(text, 'utf-8')
        cfg = Config.fromfile(changed)
    object.__setattr__(cfg, '_filename', str(path))
    before = Config.fromfile(path).to_dict()
    after = cfg.to_dict()
    if all(before[k] == after[k] for k in before if k not in mine):
        for key in mine:
            warn_unread(key, key)
    return cfg, {k: v for k, v in overrides.items() if k not in mine}


def _variables(path: Path) -> dict[str, tuple[int, int]]:
    """Where a file that stands by itself gives variables plain values."""
    try:
        text = path.read_text('utf-8')
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return {}  # told when it is read
    if any(word in text for word in BOUND_TO_ITS_PLACE) or not text.isascii():
        return {}
    starts = [0]
    for line in text.split('\n'):  # as Python counts lines, unlike str does
        starts.append(starts[-1] + len(line) + 1)
    found: dict[str, tuple[int, int]] = {}
    repeated = set()
    for node in tree.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or target.id in READ_KEYS:
            continue
        repeated |= {target.id} & set(found)
        try:
            ast.literal_eval(value)
        except ValueError:
            continue
        assert value.end_lineno is not None
        assert value.end_col_offset is not None
        found[target.id] = (
            starts[value.lineno - 1] + value.col_offset,
            starts[value.end_lineno - 1] + value.end_col_offset,
        )
    return {k: v for k, v in found.items() if k not in repeated}
