"""The command `convmae-mm digit-scenes`."""

from __future__ import annotations

import pytest

from convmae_mm.cli import digit_scenes, main
from convmae_mm.datasets.digit_scenes import MANIFEST


def call(*arguments: str) -> int:
    return main(['digit-scenes', *arguments])


def test_command_writes_then_leaves_alone_then_refuses(tmp_path, capsys):
    out = tmp_path / 'scenes'
    arguments = ['--out', str(out), '--train', '2', '--val', '1']
    arguments += ['--size', '64x96', '--workers', '1']
    assert call(*arguments) == 0
    assert f'{out}: written' in capsys.readouterr().out
    assert (out / MANIFEST).is_file()
    assert call(*arguments) == 0
    assert 'already complete' in capsys.readouterr().out
    assert call(*arguments, '--seed', '1') == 1
    error = capsys.readouterr().err
    assert 'seed 0 (wanted: 1)' in error and '--overwrite' in error
    assert call(*arguments, '--seed', '1', '--overwrite') == 0


@pytest.mark.parametrize(
    ('text', 'size'), [('128', (128, 128)), ('96x160', (96, 160))]
)
def test_sizes(text, size):
    assert digit_scenes.parse_size(text) == size


@pytest.mark.parametrize('text', ['', 'big', '96x', '-64', '1.5'])
def test_wrong_size_is_named(text, capsys):
    with pytest.raises(SystemExit):
        call(f'--size={text}')
    assert repr(text) in capsys.readouterr().err
