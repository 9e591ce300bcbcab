"""Read a checkpoint file without running code, or say what is wrong with it.

Two formats: torch's, always with ``weights_only=True``, and safetensors.
``import convmae_mm`` tells torch which types are harmless, see
:mod:`convmae_mm.engine.serialization`; a file that needs more is refused.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from convmae_mm.checkpoint.errors import CheckpointError, UnsafeFileError

MapLocation = str | torch.device | Callable[..., Any] | None

HEAD_BYTES = 512
# What an archive may unpack to: weights hardly compress, zeros do.
MAX_RATIO, MAX_FREE = 100, 2**28  # times its size; bytes always allowed
MAX_HEADER = 100_000_000  # of safetensors, in bytes
# How other files begin that people take for checkpoints, as patterns.
_KINDS: dict[bytes, str] = {
    rb'\x89PNG': 'a PNG image',
    rb'\xff\xd8\xff': 'a JPEG image',
    rb'GIF8': 'a GIF image',
    rb'BM': 'a bitmap image',
    rb'%PDF': 'a PDF document',
    rb'\x1f\x8b': 'a gzip archive; unpack it first',
    rb'7z\xbc\xaf': 'a 7z archive; unpack it first',
    rb'Rar!': 'a RAR archive; unpack it first',
    rb'\x89HDF': 'an HDF5 file',
    rb'\x93NUMPY': 'a NumPy array',
    rb'version https://git-lfs': "a Git LFS pointer; run 'git lfs pull'",
    rb'(?i)\s*<(!doctype html|html|\?xml|head)': (
        'a web page, as saved when a download link leads to a log-in or '
        'confirmation page; download the file itself'
    ),
}
# The number that torch.save put first before it wrote zip archives.
_TORCH_MAGIC = bytes.fromhex('6cfc9c46f9206aa85019')


def read_container(
    path: Path, map_location: MapLocation = 'cpu', mapped: bool = False
) -> tuple[str, Any]:
    """Read a file.

    Args:
        path: A file in torch's format or in safetensors.
        map_location: Where tensors go; only of torch's format.
        mapped: Leave the tensors of torch's format in the file until they
            are used. The file must not change while they are around.

    Returns:
        'pth' and whatever the file holds, or 'safetensors' and the tensors
        by name.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeFileError: If loading it could run code.
        CheckpointError: If it is empty, cut off, damaged or no checkpoint.
    """
    kind = check_kind(path)
    if kind == 'safetensors':
        return kind, _read_safetensors(path)
    mapped = mapped and kind == 'zip'
    return 'pth', _read_torch(path, map_location, mapped)


def read_safetensors_metadata(path: Path) -> dict[str, str]:
    """The text that a safetensors file carries beside its tensors."""
    with safe_open(path, 'pt') as file:
        return dict(file.metadata() or {})


def check_kind(path: Path) -> str:
    """Tell by its first bytes what a file is.

    Returns:
        'zip' and 'compressed zip' (of torch.save, and unpacked and packed
        again by other means), 'pickle' (of old torch) or 'safetensors'.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is a folder, empty, cut off or no checkpoint.
    """
    if path.is_dir():
        raise CheckpointError(f'{path} is a folder, not a checkpoint file')
    if not path.exists():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    if not path.is_file():
        raise CheckpointError(
            f'{path} is a pipe, a socket or a device, not a checkpoint file'
        )
    with path.open('rb') as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise CheckpointError(
            f'{path} is empty (0 bytes): the download or the copy failed; '
            'get it again'
        )
    if head.startswith(b'PK\x03\x04'):
        return _check_zip(path)
    # a JSON header behind its length in 8 bytes
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < MAX_HEADER:
        return 'safetensors'
    # only torch.save of torch < 1.6 wrote pickles that are safe to try
    if head.startswith(b'\x80') and _TORCH_MAGIC in head[:32]:
        return 'pickle'
    if head.startswith(b'\x80'):
        raise UnsafeFileError(
            f'{path} is a pickle that torch.save did not write, such as '
            "detectron2's .pkl files, and could run code when loaded, so it "
            'is not loaded; save its tensors with torch.save'
        )
    raise CheckpointError(
        f'{path} is no checkpoint: it is {_tell_kind(head)}; needed is a '
        'file of torch.save (.pth, .pt) or of safetensors'
    )


def _check_zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        raise _cut_off(path, 'the index at its end is missing')
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f'{path} is damaged and cannot be read: {error}; get it again'
        ) from error
    names = [x.filename for x in entries]
    if not any(name.endswith('/data.pkl') for name in names):
        raise CheckpointError(
            f'{path} is no checkpoint: it is a zip archive with '
            f'{names[:3]}, not one of torch.save; unpack it if the checkpoint '
            'is inside'
        )
    if any(name.endswith('/constants.pkl') for name in names):
        raise CheckpointError(
            f'{path} is a TorchScript program, not a checkpoint; save the '
            'state_dict() of the module instead'
        )
    size, unpacked = path.stat().st_size, sum(x.file_size for x in entries)
    stored = [x for x in entries if x.compress_type == zipfile.ZIP_STORED]
    if unpacked > max(MAX_RATIO * size, MAX_FREE) or (
        sum(x.file_size for x in stored) > size
    ):
        raise CheckpointError(
            f'{path} of {size} bytes would unpack to {unpacked}: no weights '
            'compress like that, so it is not read; get it from its source'
        )
    return 'zip' if len(stored) == len(entries) else 'compressed zip'


def _tell_kind(head: bytes) -> str:
    for pattern, kind in _KINDS.items():
        if re.match(pattern, head):
            return kind
    try:
        text = head.decode('utf-8', errors='strict')
    except UnicodeDecodeError:
        return f'a file of unknown kind, which begins with {head[:8]!r}'
    return f'a text file, which begins with {text[:40]!r}'


def _read_torch(path: Path, map_location: MapLocation, mapped: bool) -> Any:
    try:
        return torch.load(
            str(path),
            map_location=map_location,
            weights_only=True,
            mmap=mapped,
        )
    except UnpicklingError as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        if refused is None:
            raise UnsafeFileError(
                f'{path} holds objects that could run code when loaded, or is '
                f'damaged, so it is not loaded: {_reason(error)}'
            ) from error
        raise UnsafeFileError(
            f'{path} holds objects that could run code when loaded, so it is '
            f'not loaded: it asks for {refused[1]}. If that is a type that '
            'you know to be harmless, allow it with '
            'torch.serialization.add_safe_globals; otherwise have the file '
            'saved again with tensors only'
        ) from error
    # Whatever else a damaged file leads torch's reader into.
    except Exception as error:
        text = _reason(error)
        short = isinstance(error, (EOFError, IndexError, struct.error))
        if short or 'EOF' in text:
            raise _cut_off(path, text or 'the end is missing') from error
        raise CheckpointError(
            f'{path} is damaged and cannot be read: {text}'
        ) from error


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
    if length + 8 > path.stat().st_size:
        raise _cut_off(path, 'the header alone is longer')
    try:
        with safe_open(path, 'pt') as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        if 'not fully covered' in str(error) or 'Incomplete' in str(error):
            raise _cut_off(path, str(error)) from error
        raise CheckpointError(
            f'{path} is no safetensors file or a damaged one: {error}'
        ) from error


def _cut_off(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f'{path} is cut off after {path.stat().st_size} bytes: the download '
        f'or the copy broke off; get it again ({reason})'
    )


def _reason(error: BaseException) -> str:
    """The end of torch's message, without its advice to load unsafely."""
    text = str(error).partition('WeightsUnpickler error:')
    lines = [line.strip() for line in (text[2] or text[0]).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
