from __future__ import annotations

import os
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from local_server import serve
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_checkpoint

import convmae_mm.engine  # noqa: F401
from convmae_mm.checkpoint import CheckpointError
from convmae_mm.engine.serialization import load_from_local


class Hostile:
    """What an attacker would pickle: a call on load."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


class GetAttribute:
    """Asks for an attribute that no checkpoint needs."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def test_what_mmengine_saves_loads_safely(tmp_path):
    history = HistoryBuffer()
    history.update(3.0)
    history.update(2.0)
    scalars = {
        dtype: np.dtype(dtype).type(1)
        for dtype in ('bool', 'int64', 'uint8', 'float32', 'float64')
    }
    saved = dict(history=history, scalars=scalars, array=np.arange(4.0))
    file = tmp_path / 'checkpoint.pth'
    torch.save(saved, file)
    loaded = torch.load(file, weights_only=True)
    assert loaded['history'].mean() == 2.5
    assert loaded['history'].statistics('current') == 2.0
    assert loaded['scalars'] == scalars
    assert {k: type(v) for k, v in loaded['scalars'].items()} == {
        k: type(v) for k, v in scalars.items()
    }
    assert loaded['array'].tolist() == [0, 1, 2, 3]


def test_a_checkpoint_may_come_from_the_other_generation_of_numpy(tmp_path):
    """NumPy 1 wrote `numpy.core`, NumPy 2 writes `numpy._core`."""
    import pickle

    module = np.float64(0).__reduce__()[0].__module__
    other = {'numpy._core.multiarray': 'numpy.core.multiarray'}.get(
        module, 'numpy._core.multiarray'
    )

    class Renaming(pickle._Pickler):
        def save_global(self, obj, name=None):
            if getattr(obj, '__module__', None) != module:
                return super().save_global(obj, name)
            self.write(f'c{other}\n{obj.__name__}\n'.encode())
            return self.memoize(obj)

        dispatch = dict(pickle._Pickler.dispatch)
        dispatch[type(len)] = save_global

    renaming = type('Renaming', (), dict(Pickler=Renaming, __name__='pickle'))
    file = tmp_path / 'checkpoint.pth'
    torch.save(dict(best=np.float32(0.5)), file, pickle_module=renaming)
    with open(file, 'rb') as stream:
        assert other.encode() in stream.read()
    assert torch.load(file, weights_only=True) == dict(best=np.float32(0.5))


@pytest.mark.parametrize('target', ['runner', 'function'])
def test_a_file_that_would_run_code_is_never_loaded(tmp_path, target):
    file, folder = tmp_path / 'checkpoint.pth', tmp_path / 'broken_in'
    torch.save(dict(state_dict={}, meta=Hostile(folder)), file)
    load = {
        'runner': lambda: load_checkpoint(torch.nn.Linear(1, 1), str(file)),
        'function': lambda: load_from_local(str(file)),
    }[target]
    with pytest.raises(UnpicklingError, match='could run code'):
        load()
    assert not folder.exists()


def test_only_the_statistics_of_a_history_are_attributes_to_get(tmp_path):
    file = tmp_path / 'checkpoint.pth'
    torch.save(dict(meta=GetAttribute()), file)
    with pytest.raises(UnpicklingError, match="'__init__'"):
        load_from_local(str(file))


def test_mmengine_loads_every_local_path_through_us(tmp_path):
    loader = CheckpointLoader._get_checkpoint_loader(str(tmp_path / 'a.pth'))
    assert loader is load_from_local


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth does not exist'):
        load_from_local(str(tmp_path / 'none.pth'))


def test_the_command_line_that_released_files_carry(tmp_path):
    file = tmp_path / 'checkpoint.pth'
    args = Namespace(model='convmae', blr=1.5e-4, resume='')
    torch.save(dict(args=args), file)
    assert load_from_local(str(file))['args'] == args


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04...'])
def test_what_is_no_checkpoint_is_not_a_riddle(tmp_path, content):
    file = tmp_path / 'checkpoint.pth'
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match='empty|no checkpoint|cut off'):
        load_checkpoint(torch.nn.Linear(1, 1), str(file))


def test_mmengine_downloads_through_us(tmp_path, monkeypatch):
    """A download that broke off is no checkpoint for the next attempt."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    model = torch.nn.Linear(2, 2)
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    with serve() as server:
        server.files['/a.pth'] = (tmp_path / 'a.pth').read_bytes()
        server.broken['/a.pth'] = 100
        url = f'{server.url}/a.pth'
        with pytest.raises(CheckpointError, match='broke off after 100'):
            load_checkpoint(model, url)
        server.broken.clear()
        load_checkpoint(model, url, strict=True)
        load_checkpoint(model, (tmp_path / 'a.pth').as_uri(), strict=True)
    assert server.asked == ['/a.pth', '/a.pth']


def test_several_ranks_download_once(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    torch.save(dict(state_dict=dict(x=torch.ones(3))), tmp_path / 'a.pth')
    with serve() as server, ThreadPoolExecutor(4) as ranks:
        server.files['/a.pth'] = (tmp_path / 'a.pth').read_bytes()
        url = f'{server.url}/a.pth'
        loaded = ranks.map(CheckpointLoader.load_checkpoint, [url] * 4)
        for checkpoint in loaded:
            assert checkpoint['state_dict']['x'].sum() == 3
    assert server.asked == ['/a.pth']


def test_what_users_put_into_their_state_resumes(tmp_path):
    """A nested metainfo becomes ConfigDict; hooks keep paths and dates."""
    saved = dict(
        metainfo=ConfigDict(classes=('a',), sub=dict(items=[dict(x=1)])),
        path=Path('/a/b'),
        now=datetime.now(timezone.utc),
        day=date(2024, 2, 29),
        span=timedelta(hours=1),
        indexes=range(3),
        names={'a', 'b'},
    )
    file = tmp_path / 'checkpoint.pth'
    torch.save(dict(saved, texts=np.array(['a', 'bcd'])), file)
    loaded = CheckpointLoader.load_checkpoint(str(file))
    assert loaded.pop('texts').tolist() == ['a', 'bcd']
    assert loaded == saved
    assert loaded['metainfo'].sub['items'][0].x == 1


@pytest.mark.parametrize(
    'scheme', ['open-mmlab://', 'openmmlab://', 'mmcls://', 's3://']
)
def test_no_scheme_runs_code(scheme, tmp_path, monkeypatch):
    from mmengine.runner import checkpoint

    folder = tmp_path / 'made_by_the_file'
    file = tmp_path / 'a.pth'
    torch.save(dict(state_dict={}, x=Hostile(folder)), file)
    monkeypatch.setattr(
        checkpoint, 'get_external_models', lambda: {'a': str(file)}
    )
    monkeypatch.setattr(
        checkpoint, 'get_mmcls_models', lambda: {'a': file.as_uri()}
    )
    monkeypatch.setattr(checkpoint, '_get_mmengine_home', lambda: '/')
    monkeypatch.setattr(
        checkpoint,
        'get_file_backend',
        lambda *_, **__: SimpleNamespace(get=lambda _: file.read_bytes()),
    )
    with pytest.raises(CheckpointError, match='could run code'):
        CheckpointLoader.load_checkpoint(f'{scheme}a')
    assert not folder.exists()
    # and what is safe stays so
    torch.save(dict(state_dict={}, history=HistoryBuffer()), file)
    for _ in range(2):
        CheckpointLoader.load_checkpoint(f'{scheme}a')
        torch.load(file, weights_only=True)


def test_the_log_names_the_backend(tmp_path, monkeypatch):
    from mmengine.runner import checkpoint

    said = []
    monkeypatch.setattr(
        checkpoint, 'print_log', lambda text, **_: said.append(text)
    )
    file = tmp_path / 'a.pth'
    torch.save(dict(state_dict={}), file)
    CheckpointLoader.load_checkpoint(str(file))
    assert 'by local backend' in said[0]
