"""Convert a released checkpoint to ours, or back."""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from convmae_mm.cli._network_options import (
    add_network_options,
    network_options,
    stored_pooling,
)
from convmae_mm.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from convmae_mm.checkpoint import LoadedFile, WholeNetwork

SUFFIXES = {'.pth': 'pth', '.pt': 'pth', '.safetensors': 'safetensors'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_network_options(parser)
    parser.add_argument(
        '--out',
        type=Path,
        default=Path(),
        metavar='DIR|FILE',
        help='a folder, where the name ends in the first 8 digits of the '
        'SHA-256, or a file (default: the current folder)',
    )
    parser.add_argument(
        '--to',
        choices=('ours', 'released'),
        default='ours',
        help='whose names the tensors get (default: %(default)s)',
    )
    parser.add_argument(
        '--format',
        choices=('pth', 'safetensors'),
        help="what to write (default: by the suffix of --out, else 'pth')",
    )
    parser.add_argument(
        '--pooling',
        choices=('mean', 'first_token'),
        help='how a classifier pools, for --to released, where the file does '
        'not say so',
    )
    parser.add_argument(
        '--force', action='store_true', help='replace an existing file'
    )


def run(args: argparse.Namespace) -> int:
    """Convert; raises ``UserError`` for what the user can mend."""
    from convmae_mm.checkpoint import load_weights_file

    target, form = choose_target(args.out, args.format)
    if target is not None:
        check_free(target, args.force)
    loaded = load_weights_file(args.file)
    whole = recognise(loaded, args.to, args.pooling)
    if args.to == 'ours':
        weights = whole.to_ours()
    else:
        weights = whole.to_released(args.img_size)
    meta = describe(loaded, whole, network_options(args))
    folder = args.out if target is None else target.parent
    folder.mkdir(parents=True, exist_ok=True)
    # Written under another name: whole or not at all.
    handle, name = tempfile.mkstemp(dir=folder, prefix='.', suffix='.part')
    part = Path(name)
    try:
        with os.fdopen(handle, 'wb') as file:
            write(file, weights, meta, args.to, form)
        if target is None:
            target = folder / hashed_name(loaded.path, part, form)
            check_free(target, args.force)
        part.chmod(0o666 & ~_umask())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    print(f'{target}: {len(weights)} tensors')
    return 0


def recognise(
    loaded: LoadedFile, to: str, pooling: str | None
) -> WholeNetwork:
    """The network in a file that is to get other names.

    Raises:
        UserError: If it has those names already.
        CheckpointError: If it is no whole network.
    """
    from convmae_mm.checkpoint import WholeNetwork, uses_our_names

    if (to == 'ours') == uses_our_names(loaded.weights):
        other = 'released' if to == 'ours' else 'ours'
        raise UserError(
            f'the tensors of {loaded.path} have the names wanted already; '
            f'to convert the other way, give --to {other}'
        )
    if to == 'released':
        spelling = find_pooling(loaded, pooling)
        return WholeNetwork.from_ours(loaded.weights, spelling=spelling)
    if pooling is not None:
        raise UserError(
            f'--pooling {pooling} is for --to released: a released '
            'classifier tells it by the name of its norm'
        )
    return WholeNetwork(loaded.weights)


def find_pooling(loaded: LoadedFile, given: str | None) -> str:
    """How a classifier of ours pools, as given or as the file says.

    Raises:
        UserError: If neither tells, or there is no classifier.
    """
    if not any(name.startswith('head.fc.') for name in loaded.weights):
        if given is not None:
            raise UserError(f'--pooling {given}: {loaded.path} classifies not')
        return 'mean'
    stored = stored_pooling(loaded)
    if given is None and stored is None:
        raise UserError(
            f'{loaded.path} does not say how its classifier pools: give '
            "--pooling mean or first_token, as the config's neck has it"
        )
    return given or stored or 'mean'


def describe(
    loaded: LoadedFile, whole: WholeNetwork, options: dict[str, Any]
) -> dict[str, Any]:
    """What goes into the file beside the tensors."""
    from convmae_mm.checkpoint import CheckpointError
    from convmae_mm.version import __version__

    meta: dict[str, Any] = {
        'convmae_mm_version': __version__,
        'converted_from': loaded.path.name,
    }
    if loaded.epochs is not None:
        meta['epoch'] = loaded.epochs
    if loaded.iterations is not None:
        meta['iter'] = loaded.iterations
    try:
        network = whole.describe(**options)
    except CheckpointError as error:
        print(f'settings are left out: {error}')
    else:
        meta['variant'] = network.variant
        meta['backbone'] = network.backbone
        meta |= network.parts
    return meta


def write(
    file: IO[bytes],
    weights: dict[str, Tensor],
    meta: dict[str, Any],
    to: str,
    form: str,
) -> None:
    """Write the content of the file; the same for the same tensors."""
    import safetensors.torch
    import torch

    if form == 'safetensors':
        weights = {name: x.contiguous() for name, x in weights.items()}
        # one text: the order of several is not fixed
        texts = {'meta': json.dumps(meta)}
        file.write(safetensors.torch.save(weights, texts))
        return
    # the entry that each side's own code looks into
    key = 'state_dict' if to == 'ours' else 'model'
    torch.save({key: weights, 'meta': meta}, file)


def choose_target(out: Path, form: str | None) -> tuple[Path | None, str]:
    """The file to write, None for a folder's file, and its format.

    Raises:
        UserError: If suffix and format contradict each other.
    """
    if out.is_dir() or not out.suffix:
        return None, form or 'pth'
    by_suffix = SUFFIXES.get(out.suffix)
    if by_suffix is None or form not in (None, by_suffix):
        raise UserError(
            f'--out {out} must end in .pth or .safetensors, and as --format '
            f'says ({form or "not given"})'
        )
    return out, by_suffix


def hashed_name(source: Path, content: Path, form: str) -> str:
    """The source's name with the first 8 digits of the content's SHA-256.

    They replace those of the source's own content, if it is named so; other
    digits at the end of a name, such as a date, stay.
    """
    from convmae_mm.checkpoint.opening.downloads import sha256_of

    stem = source.stem
    digits = re.search(r'-([0-9a-f]{8,64})$', stem)
    if digits and sha256_of(source).startswith(digits[1]):
        stem = stem[: digits.start()]
    return f'{stem}-{sha256_of(content)[:8]}.{form}'


def check_free(target: Path, force: bool) -> None:
    """Raise ``UserError`` rather than replace a file unasked."""
    if target.exists() and not force:
        raise UserError(f'{target} exists already; give --force to replace it')


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
