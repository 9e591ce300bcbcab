"""Python text that uses a checkpoint, ready to be copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convmae_mm.checkpoint import ReleasedNetwork

WIDTH = 79


def backbone_text(
    network: ReleasedNetwork, source: str, mode_given: bool = False
) -> str:
    """The encoder in a config, with its weights from a file.

    Args:
        network: What the file holds.
        source: The file.
        mode_given: Whether the mode was asked for; the file's own may differ.
    """
    from convmae_mm.variants import arch_zoo, resolve_arch

    arch = resolve_arch(network.backbone['arch'])
    named = next((name for name, x in arch_zoo.items() if x == arch), None)
    init_cfg: dict[str, Any] = {
        'type': 'convmae_mm.PretrainedConvMAE',
        'checkpoint': source,
    }
    if mode_given:
        init_cfg['allow_other_mode'] = True
    settings = {
        'type': 'convmae_mm.ConvMAE',
        **network.backbone,
        'init_cfg': init_cfg,
    }
    settings['arch'] = named or network.backbone['arch']
    if settings['in_channels'] == 3:
        del settings['in_channels']
    return f'backbone = {format_value(settings)}'


def whole_text(
    network: ReleasedNetwork, source: str, options: Mapping[str, Any]
) -> str:
    """The whole network in Python, and the config it has, if any."""
    from convmae_mm.checkpoint.networks import network_named

    given = ''.join(
        f', {name}={value!r}'
        for name, value in options.items()
        if name != 'mode'  # of the encoder alone
    )
    lines = [
        'from convmae_mm.apis import build_from_official',
        '',
        f'model = build_from_official({source!r}{given})',
    ]
    shipped = network_named(network.variant).shipped
    if shipped:
        lines.insert(0, f'# config: {shipped}')
    return '\n'.join(lines)


def format_value(value: Any, indent: int = 0, taken: int = 11) -> str:
    """A setting as in a config: ``dict(...)``, broken where too long.

    Args:
        value: Nested dicts, sequences, numbers and text.
        indent: Columns before the line that the value begins on.
        taken: Columns of that line before the value, without ``indent``.
    """
    if not isinstance(value, Mapping):
        return repr(value)
    items = [f'{key}={format_value(x)}' for key, x in value.items()]
    line = f'dict({", ".join(items)})'
    if '\n' not in line and indent + taken + len(line) <= WIDTH:
        return line
    inner = indent + 4
    body = ''.join(
        f'{" " * inner}{key}={format_value(x, inner, len(key) + 2)},\n'
        for key, x in value.items()
    )
    return f'dict(\n{body}{" " * indent})'
