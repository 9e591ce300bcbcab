"""The command line's frame: lazy subcommands, one line for an error."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convmae_mm import cli

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


def test_every_module_is_a_subcommand() -> None:
    folder = Path(cli.__file__).parent
    for file in folder.glob('[!_]*.py'):
        name = file.stem.replace('_', '-')
        with pytest.raises(SystemExit) as caught:
            cli.main([name, '--help'])
        assert caught.value.code == 0
        assert cli._summary(file).endswith('.')


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(['no-such-command'])
    assert caught.value.code == 2
    assert 'no-such-command' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (cli.UserError('no such class'), 1, 'no such class'),
        (FileNotFoundError(2, 'No such file', 'a.py'), 1, "'a.py'"),
        (KeyboardInterrupt(), 130, 'interrupted'),
    ],
)
def test_known_errors_are_one_line(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from convmae_mm.cli import doctor

    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(doctor, 'run', fail)
    assert cli.main(['doctor']) == code
    printed = capsys.readouterr().err.strip()
    assert said in printed
    assert '\n' not in printed
    assert printed.startswith('convmae-mm doctor: ')


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from convmae_mm.cli import doctor

    def fail(args: argparse.Namespace) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(doctor, 'run', fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(['doctor'])
