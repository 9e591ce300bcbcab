"""The command ``inspect``."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from convmae_mm.cli._network_options import (
    add_mode_option,
    add_network_options,
    network_options,
    stored_pooling,
)

if TYPE_CHECKING:
    from torch import Tensor

    from convmae_mm.checkpoint import LoadedFile, ReleasedNetwork

# What is in a file, by a pattern of names, released or ours.
PARTS = {
    'encoder': r'(.*\.)?blocks3\.\d+\.attn\.qkv\.weight',
    'decoder': r'(decoder_pred|neck\.pred)\.weight',
    'classifier head': r'head\.(fc\.)?weight',
    'feature pyramid': r'backbone\.(fpn_|simfp_).*|neck\..*convs.*',
    'RPN': r'(proposal_generator\.)?rpn_head\..*',
    'box and mask heads': r'roi_heads?\..*mask_head.*',
    'segmentation head': r'decode_head\..*',
    'auxiliary head': r'auxiliary_head\..*',
}
_BUFFERS = re.compile(
    r'.*(running_mean|running_var|num_batches_tracked|position_index)'
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_network_options(parser)
    add_mode_option(parser)
    parser.epilog = 'Nothing in the file is run; see docs/released_weights.md.'


def run(args: argparse.Namespace) -> int:
    """Print what is in the file; errors that can be mended are one line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from convmae_mm.checkpoint import load_weights_file, uses_our_names
    from convmae_mm.checkpoint.opening.downloads import sha256_of
    from convmae_mm.cli._ready_config import backbone_text, whole_text

    options = network_options(args)
    # what is wrong with the numbers is told, as everything else
    loaded = load_weights_file(args.file, finite=False, mapped=True)
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(sha256_of, loaded.path)
        network, spelling, problem = _describe(loaded.weights, options)
        tensors = describe_tensors(loaded.weights)
        rows = describe_file(loaded, args.file, digest.result()) + tensors
    rows += (
        [('network', problem)]
        if network is None
        else describe_network(network, spelling or stored_pooling(loaded))
    )
    console = Console()
    table = Table('what', 'found', title='convmae-mm inspect')
    for name, value in rows:
        table.add_row(Text(name), Text(value, overflow='fold'))
    console.print(table)
    if network is None:
        return 0
    # soft_wrap: text to be copied stays as it is.
    console.print(Text('\nThe encoder, in a config:\n'))
    text = backbone_text(network, args.file, args.mode is not None)
    console.print(Text(text), soft_wrap=True)
    if not uses_our_names(loaded.weights):
        console.print(Text('\nThe whole network, in Python:\n'))
        text = whole_text(network, args.file, options)
        console.print(Text(text), soft_wrap=True)
    return 0


def describe_file(
    loaded: LoadedFile, source: str, digest: str
) -> list[tuple[str, str]]:
    """Rows about the file itself, whose SHA-256 is ``digest``."""
    from convmae_mm.checkpoint import uses_our_names
    from convmae_mm.checkpoint.opening.downloads import hash_in_name

    names = 'convmae_mm' if uses_our_names(loaded.weights) else 'as released'
    promised = hash_in_name(loaded.path.name)
    verdict = ''
    if promised is not None:
        fits = digest.startswith(promised)
        verdict = ' (as its name says)' if fits else ' (NOT as its name says)'
    trained = [
        f'{number} {unit}'
        for number, unit in (
            (loaded.epochs, 'epochs'),
            (loaded.iterations, 'iterations'),
        )
        if number is not None
    ]
    parts = [
        part
        for part, pattern in PARTS.items()
        if any(re.fullmatch(pattern, name) for name in loaded.weights)
    ]
    if loaded.has_optimizer:
        parts.append('optimizer state')
    others = [x for x in loaded.extras if 'optimizer' not in x]
    where = f' under {loaded.container!r}' if loaded.container else ''
    return [
        ('file', source),
        ('size', f'{loaded.path.stat().st_size / 2**20:.1f} MiB'),
        ('SHA-256', digest + verdict),
        ('format', f'{loaded.format}, weights{where}'),
        ('other entries', ', '.join(others) or 'none'),
        ('tensor names', names),
        ('trained for', ', '.join(trained) or 'not stored'),
        ('contains', ', '.join(parts)),
    ]


def describe_tensors(weights: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """Rows about the numbers: how many parameters, and in which types."""
    from convmae_mm.checkpoint.opening.files import find_not_finite

    sizes: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for name, tensor in weights.items():
        if _BUFFERS.fullmatch(name):
            sizes['buffers'] += tensor.numel()
            continue
        sizes['parameters'] += tensor.numel()
        types[str(tensor.dtype).removeprefix('torch.')] += 1
    rows = [
        ('parameters', f'{sizes["parameters"] / 1e6:.2f} M'),
        ('types', ', '.join(f'{x} ({n})' for x, n in types.most_common())),
    ]
    if wrong := find_not_finite(weights):
        rows.append(('NaN or infinite', ', '.join(wrong)))
    return rows


def describe_network(
    network: ReleasedNetwork, pooling: str | None
) -> list[tuple[str, str]]:
    """Rows about the network, and how its file says that it pools."""
    from convmae_mm.checkpoint.networks import network_named
    from convmae_mm.variants import arch_zoo, resolve_arch

    settings = dict(network.backbone)
    arch = resolve_arch(settings.pop('arch'))
    named = next((x for x in arch_zoo if arch_zoo[x] == arch), 'custom')
    rows = [
        ('network', network_named(network.variant).title),
        (
            'architecture',
            f'{named}: embed_dims {arch.embed_dims}, depths {arch.depths}, '
            f'num_heads {arch.num_heads}, mlp_ratios {arch.mlp_ratios}',
        ),
        *((name, str(value)) for name, value in settings.items()),
    ]
    for name, part in network.parts.items():
        if 'pooling' in part:
            part = {**part, 'pooling': pooling or 'not stored'}
        told = ', '.join(f'{key} {value}' for key, value in part.items())
        rows.append((name, told))
    return rows


def _describe(
    weights: Mapping[str, Tensor], options: dict[str, Any]
) -> tuple[ReleasedNetwork | None, str, str]:
    """The network and how it is spelled, or why more options are needed.

    What is wrong with the tensors raises.
    """
    from convmae_mm.checkpoint import (
        CheckpointError,
        find_whole,
        uses_our_names,
    )

    whole = find_whole(weights)
    # ours is spelled in one way, whatever it is
    spelling = '' if uses_our_names(weights) else whole.spelling
    try:
        return whole.describe(**options), spelling, ''
    except CheckpointError as error:
        return None, spelling, f'not told by the file alone: {error}'
