"""Downloads from a server on this machine: whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from local_server import Server, serve
from released_networks import released_state

from convmae_mm.checkpoint import CheckpointError, load_weights_file
from convmae_mm.checkpoint.opening.downloads import (
    cached_path,
    hash_in_name,
    resolve,
    sha256_of,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(folder))
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    file = tmp_path / 'original.pth'
    torch.save(dict(model=released_state('cls_global_pool')), file)
    return file.read_bytes()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob('*') if path.is_file()]


def test_a_download_is_kept(server: Server, hub: Path, content: bytes) -> None:
    server.files['/a.pth'] = content
    for _ in range(2):
        loaded = load_weights_file(f'{server.url}/a.pth')
        assert len(loaded.weights) > 200
        assert files_below(hub) == [loaded.path]
    assert server.asked == ['/a.pth']
    assert loaded.path.read_bytes() == content
    assert loaded.path.name == 'a.pth'


def test_urls_that_end_alike_are_different_files(
    server: Server, hub: Path, content: bytes
) -> None:
    server.files |= {'/one/a.pth': content, '/two/a.pth': content + b''}
    paths = {
        resolve(f'{server.url}/{place}')
        for place in ('one/a.pth', 'two/a.pth', 'two/a.pth?version=2')
    }
    assert len(paths) == 3
    assert {path.name for path in paths} == {'a.pth'}


@pytest.mark.parametrize('sent', [0, 100, -1])
def test_a_download_that_breaks_off_leaves_nothing(
    server: Server, hub: Path, content: bytes, sent: int
) -> None:
    server.files['/a.pth'] = content
    server.broken['/a.pth'] = sent
    with pytest.raises(CheckpointError, match=r'broke off after \d+ of \d+'):
        load_weights_file(f'{server.url}/a.pth')
    assert files_below(hub) == []
    # The next attempt is not misled.
    server.broken.clear()
    load_weights_file(f'{server.url}/a.pth')


@pytest.mark.parametrize('length', ['abc', '-1', '1e6', '\u00b2', ''])
def test_a_length_that_is_none_promises_nothing(
    server: Server, hub: Path, content: bytes, length: str
) -> None:
    server.files['/a.pth'] = content
    server.lengths['/a.pth'] = length
    loaded = load_weights_file(f'{server.url}/a.pth')
    assert loaded.path.read_bytes() == content


def test_a_missing_page(server: Server, hub: Path) -> None:
    with pytest.raises(CheckpointError, match=r'/none\.pth.*404'):
        load_weights_file(f'{server.url}/none.pth')
    assert files_below(hub) == []


def test_a_server_that_does_not_answer(hub: Path) -> None:
    with ThreadingHTTPServer(('127.0.0.1', 0), BaseHTTPRequestHandler) as http:
        url = f'http://127.0.0.1:{http.server_port}/a.pth'
    with pytest.raises(CheckpointError, match='cannot be downloaded'):
        load_weights_file(url)
    assert files_below(hub) == []


def test_a_page_instead_of_a_file_is_not_kept(
    server: Server, hub: Path
) -> None:
    server.files['/a.pth'] = b'<!DOCTYPE html><html>please log in</html>'
    with pytest.raises(CheckpointError, match=r'a\.pth is no.*a web page'):
        load_weights_file(f'{server.url}/a.pth')
    assert files_below(hub) == []


def test_the_hash_in_the_name_is_verified(
    server: Server, hub: Path, content: bytes
) -> None:
    digest = hashlib.sha256(content).hexdigest()
    good, bad = f'/a-{digest[:8]}.pth', '/a-0123abcd.pth'
    server.files |= {good: content, bad: content}
    path = load_weights_file(server.url + good).path
    assert path.name == good[1:]
    assert path.parent == hub / 'checkpoints'
    with pytest.raises(CheckpointError, match='promises 0123abcd'):
        load_weights_file(server.url + bad)
    assert files_below(hub) == [path]
    assert sha256_of(path) == digest


@pytest.mark.parametrize(
    ('name', 'digits'),
    [
        ('a-0123abcd.pth', '0123abcd'),
        ('a_1x_20220101-0123abcd99.safetensors', '0123abcd99'),
        ('a-20220101.pth', None),
        ('a-0123abc.pth', None),
        ('a-base.pth', None),
        ('0123abcd.pth', None),
    ],
)
def test_hash_in_name(name: str, digits: str | None) -> None:
    assert hash_in_name(name) == digits


def test_local_urls_are_paths(hub: Path, tmp_path: Path) -> None:
    file = tmp_path / 'with space.pth'
    torch.save(dict(model=released_state('cls_global_pool')), file)
    assert load_weights_file(file.as_uri()).path == file
    assert not hub.exists()
    with pytest.raises(FileNotFoundError, match=r'none\.pth does not exist'):
        load_weights_file((tmp_path / 'none.pth').as_uri())


def test_a_url_without_a_name(hub: Path) -> None:
    assert cached_path('http://127.0.0.1/').name == 'download'


@pytest.mark.parametrize('url', ['http://[', 'https://host:port/a.pth'])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(CheckpointError, match='is no address.*give a path'):
        load_weights_file(url)
