"""`convmae-mm convert` on real files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from released_networks import VARIANTS, command_options, released_state
from torch import Tensor

from convmae_mm import cli
from convmae_mm.checkpoint import (
    convert_released_state_dict,
    load_weights_file,
)


def convert(*args: object) -> int:
    return cli.main(['convert', *map(str, args)])


def save(folder: Path, name: str) -> tuple[Path, dict[str, Tensor]]:
    state = released_state(name)
    file = folder / f'{name}.pth'
    torch.save(dict(model=state, epoch=99), file)
    return file, state


def assert_same(
    actual: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[key], expected[key]) for key in expected)


@pytest.mark.parametrize('name', VARIANTS)
@pytest.mark.parametrize('form', ['pth', 'safetensors'])
def test_to_ours_and_back(name: str, form: str, tmp_path: Path) -> None:
    file, state = save(tmp_path, name)
    ours, back = tmp_path / f'ours.{form}', tmp_path / f'back.{form}'
    options = command_options(name)
    assert convert(file, '--out', ours, *options) == 0
    loaded = load_weights_file(ours)
    assert_same(loaded.weights, convert_released_state_dict(state))
    assert loaded.epochs == 100
    assert loaded.settings['variant'] == VARIANTS[name]
    assert convert(ours, '--out', back, '--to', 'released', *options) == 0
    assert_same(load_weights_file(back).weights, state)


def test_what_is_written(tmp_path: Path) -> None:
    file, _ = save(tmp_path, 'det_vitdet')
    assert convert(file, '--out', tmp_path / 'ours.pth') == 0
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert content.keys() == {'state_dict', 'meta'}
    meta = content['meta']
    assert meta['converted_from'] == 'det_vitdet.pth'
    assert meta['variant'] == 'backbone'
    assert meta['backbone']['mode'] == 'vitdet'
    assert meta['epoch'] == 100
    assert load_weights_file(tmp_path / 'ours.pth').epochs == 100
    out = tmp_path / 'back.pth'
    args = ('--to', 'released', '--out', out)
    assert convert(tmp_path / 'ours.pth', *args) == 0
    assert torch.load(out, weights_only=True).keys() == {'model', 'meta'}


def test_openmmlab_loads_what_is_written(tmp_path: Path) -> None:
    from mmengine.runner.checkpoint import load_checkpoint

    from convmae_mm import ConvMAE

    file, _ = save(tmp_path, 'seg')
    out = tmp_path / 'ours.pth'
    assert convert(file, '--out', out) == 0
    meta = torch.load(out, weights_only=True)['meta']
    model = torch.nn.Module()
    model.backbone = ConvMAE(**meta['backbone'])
    load_checkpoint(model, str(out), strict=True)


def test_settings_that_are_not_told_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = save(tmp_path, 'pretrain')
    assert convert(file, '--out', tmp_path / 'a.pth') == 0
    assert 'give num_heads' in capsys.readouterr().out
    meta = torch.load(tmp_path / 'a.pth', weights_only=True)['meta']
    assert 'backbone' not in meta


@pytest.mark.parametrize('form', ['pth', 'safetensors'])
def test_a_folder_gets_a_name_with_the_hash(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = save(tmp_path, 'seg')
    own = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    hashed = file.rename(tmp_path / f'seg-{own}.pth')
    out = tmp_path / 'new' / 'folder'
    args = (hashed, '--out', out, '--format', form)
    assert convert(*args) == 0
    (written,) = out.iterdir()
    digest = hashlib.sha256(written.read_bytes()).hexdigest()
    assert written.name == f'seg-{digest[:8]}.{form}'
    assert str(written) in capsys.readouterr().out
    # The same content gets the same name, which exists already.
    assert convert(*args) == 1
    assert '--force' in capsys.readouterr().err
    assert list(out.iterdir()) == [written]
    assert convert(*args, '--force') == 0
    assert list(out.iterdir()) == [written]


def test_a_date_is_no_hash(tmp_path: Path) -> None:
    file, _ = save(tmp_path, 'seg')
    dated = file.rename(tmp_path / 'seg-20221124.pth')
    assert convert(dated, '--out', tmp_path / 'new') == 0
    (written,) = (tmp_path / 'new').iterdir()
    assert re.fullmatch(r'seg-20221124-[0-9a-f]{8}\.pth', written.name)


def test_the_current_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = save(tmp_path, 'seg')
    folder = tmp_path / 'here'
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert convert(file) == 0
    assert [path.suffix for path in folder.iterdir()] == ['.pth']


def test_a_file_is_not_replaced_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = save(tmp_path, 'seg')
    out = tmp_path / 'out.pth'
    out.write_text('precious')
    assert convert(file, '--out', out) == 1
    assert 'exists already; give --force' in capsys.readouterr().err
    assert out.read_text() == 'precious'
    assert convert(file, '--out', out, '--force') == 0
    assert load_weights_file(out).weights


def test_a_failure_leaves_nothing_half_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(obj: object, file: object) -> None:
        file.write(b'half')  # type: ignore[attr-defined]
        raise OSError(28, 'No space left on device')

    file, _ = save(tmp_path, 'seg')
    monkeypatch.setattr(torch, 'save', fail)
    assert convert(file, '--out', tmp_path / 'new' / 'out.pth') == 1
    assert 'No space left on device (' in capsys.readouterr().err
    assert list((tmp_path / 'new').iterdir()) == []


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (('--out', 'a.onnx'), 'must end in .pth or .safetensors'),
        (('--out', 'a.pth', '--format', 'safetensors'), 'as --format says'),
        (('--to', 'released'), 'wanted already'),
    ],
)
def test_options_that_do_not_fit(
    options: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, _ = save(tmp_path, 'seg')
    monkeypatch.chdir(tmp_path)
    assert convert(file, *options) == 1
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_ours_is_not_converted_to_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = save(tmp_path, 'seg')
    out = tmp_path / 'out.pth'
    convert(file, '--out', out)
    assert convert(out, '--out', tmp_path / 'again.pth') == 1
    assert '--to released' in capsys.readouterr().err


def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, state = save(tmp_path, 'seg')
    del state['blocks1.0.conv1.bias']
    torch.save(state, file)
    assert convert(file, '--out', tmp_path / 'out.pth') == 1
    told = capsys.readouterr().err
    assert "missing: ['blocks1.0.conv1.bias']" in told
    assert told.count('\n') == 1


def test_pooling_must_be_known_and_may_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    state = released_state('cls_first_token')
    file = tmp_path / 'bare.pth'
    torch.save({'state_dict': convert_released_state_dict(state)}, file)
    back = tmp_path / 'back.pth'
    options = ['--out', back, '--to', 'released', '--num-heads', 3]
    assert convert(file, *options) == 1
    assert 'give --pooling mean or first_token' in capsys.readouterr().err
    assert convert(file, *options, '--pooling', 'first_token') == 0
    assert_same(load_weights_file(back).weights, state)
    assert convert(back, '--out', tmp_path / 'ours.pth', '--pooling', 'mean')
    assert 'is for --to released' in capsys.readouterr().err
    file, _ = save(tmp_path, 'det_vitdet')
    convert(file, '--out', tmp_path / 'det.pth')
    options += ['--force']
    assert convert(tmp_path / 'det.pth', *options, '--pooling', 'mean') == 1
    assert 'classifies not' in capsys.readouterr().err
