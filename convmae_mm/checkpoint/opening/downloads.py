"""Fetch a checkpoint from a URL, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

import torch

from convmae_mm.checkpoint.errors import CheckpointError

from .containers import check_kind

TIMEOUT = 60  # seconds without any answer
CHUNK = 1 << 20  # bytes
# name-<first digits of the SHA-256>.pth, as OpenMMLab and torch.hub have it
# (and not a date).
_HASHED = re.compile(r'-(?!(?:19|20)\d{6}\.)([0-9a-f]{8,64})\.\w+$')


def resolve(source: str | os.PathLike) -> Path:
    """The local file of a path or URL; http and https are downloaded.

    Downloads are kept in torch's hub directory. They are written under
    another name until they are whole, and checked against the digits of
    their SHA-256 if their name has any.

    Raises:
        CheckpointError: If the download fails, or is not what it should be;
            nothing of it is left then.
    """
    text = os.fspath(source)
    if '://' in text:
        try:
            _ = urlsplit(text).port
        except ValueError as error:
            raise CheckpointError(
                f'{text!r} is no address: {error}; give a path, or a URL '
                'such as https://HOST/FILE.pth'
            ) from error
    if re.match(r'https?://', text):
        return _download(text)
    if text.startswith('file://'):
        return Path(url2pathname(urlsplit(text).path))
    return Path(text).expanduser()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_in_name(name: str) -> str | None:
    """The digits of a SHA-256 that a file name ends in, at least 8."""
    match = _HASHED.search(name)
    return match[1] if match else None


def cached_path(url: str) -> Path:
    """Where the download of a URL is kept."""
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    name = PurePosixPath(unquote(urlsplit(url).path)).name or 'download'
    if hash_in_name(name):
        return folder / name
    # Many URLs end alike; one must not stand for the other.
    place = hashlib.sha256(url.encode()).hexdigest()[:16]
    return folder / 'convmae_mm' / place / name


def _download(url: str) -> Path:
    target = cached_path(url)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # One of several processes fetches it, the others wait.
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not target.is_file():
            _download_to(url, target)
    finally:
        os.close(folder)
    return target


def _download_to(url: str, target: Path) -> None:
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix='.', suffix='.part'
    )
    part = Path(name)
    try:
        with os.fdopen(handle, 'wb') as file:
            _fetch(url, file)
        _check(url, target.name, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _fetch(url: str, file: IO[bytes]) -> None:
    request = Request(url, headers={'User-Agent': 'convmae_mm'})
    try:
        with urlopen(request, timeout=TIMEOUT) as response:
            promised = response.headers.get('Content-Length')
            shutil.copyfileobj(response, file, CHUNK)
    # HTTPError is a URLError, which is an OSError, as are time-outs.
    except URLError as error:
        raise CheckpointError(
            f'{url} cannot be downloaded: {error}; check the address, or '
            'download it by other means and give the path'
        ) from error
    except (OSError, HTTPException) as error:
        raise CheckpointError(
            f'the download of {url} broke off: {error}; try again'
        ) from error
    received = file.tell()
    # a length that is no number promises nothing
    if promised and promised.isdecimal() and received != int(promised):
        raise CheckpointError(
            f'the download of {url} broke off after {received} of {promised} '
            'bytes; nothing is kept, try again'
        )


def _check(url: str, name: str, part: Path) -> None:
    expected = hash_in_name(name)
    actual = sha256_of(part)
    if expected is not None and not actual.startswith(expected):
        raise CheckpointError(
            f'what was downloaded from {url} has the SHA-256 {actual}, but '
            f'its name promises {expected}; nothing is kept'
        )
    try:
        check_kind(part)
    except CheckpointError as error:
        raise CheckpointError(
            f'what {url} leads to is not kept: {error}'.replace(
                str(part), name
            )
        ) from error
