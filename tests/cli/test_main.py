"""The command line's frame: lazy subcommands, one line for an error."""

from __future__ import annotations

import argparse
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convmae_mm import cli
from convmae_mm.errors import DataError, UserError

ROOT = Path(__file__).resolve().parents[2]


def entry_point(
    *args: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    places = [str(x) for x in (path, ROOT) if x is not None]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(places)}
    code = 'import sys, _convmae_mm_main as m; sys.exit(m.main())'
    return subprocess.run(
        [sys.executable, '-c', code, *args],
        env=env,
        text=True,
        capture_output=True,
        cwd='/',
    )


def test_help_lists_the_subcommands_without_importing_torch(
    tmp_path: Path,
) -> None:
    (tmp_path / 'torch.py').write_text("raise RuntimeError('imported')")
    result = entry_point('--help', path=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ('doctor', 'digit-scenes', 'train', 'test'):
        assert re.search(rf'^    {name}\s', result.stdout, re.MULTILINE)


def test_a_broken_environment_points_to_the_doctor(tmp_path: Path) -> None:
    (tmp_path / 'torch.py').write_text("raise ImportError('libc10 is gone')")
    result = entry_point('train', path=tmp_path)
    assert result.returncode == 1
    assert 'libc10 is gone' in result.stderr
    assert 'convmae-mm doctor' in result.stderr
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize('name', cli.COMMANDS)
def test_every_command_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*name.split(), '--help'])
    assert caught.value.code == 0
    printed = ' '.join(capsys.readouterr().out.split())
    assert cli.COMMANDS[name][1] in printed
    assert '--debug' in printed


def test_no_module_is_left_out_of_the_table() -> None:
    """One that is no command has an underscore."""
    files = Path(cli.__file__).parent.glob('[!_]*.py')
    assert {x.stem for x in files} <= {x[0] for x in cli.COMMANDS.values()}


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(['no-such-command'])
    assert caught.value.code == 2
    assert 'no-such-command' in capsys.readouterr().err


def fail_with(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, *options: str
) -> int:
    """The exit code of a command that raises an error."""
    from convmae_mm.cli import doctor

    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(doctor, 'run', fail)
    return cli.main(['doctor', *options])


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (UserError('no such class'), 1, 'no such class'),
        (FileNotFoundError(2, 'No such file', 'a.py'), 1, 'a.py: No such'),
        (FileExistsError('data: finished'), 1, 'data: finished'),
        (KeyboardInterrupt(), 130, 'interrupted'),
        (
            DataError(
                'Caught DataError in DataLoader worker process 0.\nOriginal '
                'Traceback (most recent call last):\n  File "x.py"\n'
                'convmae_mm.errors.DataError: a.jpg: it is: empty'
            ),
            1,
            'doctor: a.jpg: it is: empty',
        ),
        (MemoryError('40 GiB'), 1, 'batch_size'),
        (ModuleNotFoundError(name='sklearn.datasets'), 1, 'convmae_mm[demo]'),
        (ModuleNotFoundError(name='mmdet'), 1, 'convmae-mm doctor'),
    ],
)
def test_known_errors_are_one_line(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail_with(error, monkeypatch) == code
    printed = capsys.readouterr().err.strip()
    assert said in printed
    assert '\n' not in printed
    assert printed.startswith('convmae-mm doctor: ')


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize('named', [True, False])
def test_a_disk_that_takes_no_more_is_told_with_what_is_free(
    named: bool,
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The system names the file when it opens it, not when it writes."""
    from convmae_mm.cli import doctor

    path = tmp_path / 'epoch_1.pth'

    def fail(args: argparse.Namespace) -> int:
        text = os.strerror(number)
        with open(path, 'wb') as file:
            assert file.writable()
            if named:
                raise OSError(number, text, str(path))
            raise OSError(number, text)

    monkeypatch.setattr(doctor, 'run', fail)
    assert cli.main(['doctor']) == 1
    printed = capsys.readouterr().err.strip()
    assert re.fullmatch(
        rf'convmae-mm doctor: {path}: {os.strerror(number)} '
        r'\([\d,.]+ MiB free\)',
        printed,
    )


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(UserError('no class'), monkeypatch, '--debug') == 1
    printed = capsys.readouterr().err
    assert 'Traceback' in printed
    assert printed.endswith('convmae-mm doctor: no class\n')


def test_a_fault_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(ZeroDivisionError('by 0'), monkeypatch) == 1
    printed = capsys.readouterr().err.strip()
    assert '\n' not in printed
    assert 'ZeroDivisionError: by 0 (unexpected; ' in printed
    assert '--debug' in printed
    found = re.search(r'traceback is in (\S+),', printed)
    assert found is not None
    assert 'raise error' in Path(found[1]).read_text()


def test_a_pipe_that_nobody_reads_is_no_error() -> None:
    code = 'import sys, _convmae_mm_main as m; sys.exit(m.main())'
    command = f'"{sys.executable}" -c "{code}" --help | true'
    done = subprocess.run(
        ['bash', '-c', command], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr == ''
