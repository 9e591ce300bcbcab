"""requirements/install.sh, with a stand-in for Python and pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# `-m venv` copies the stand-in itself; `-m pip` writes down what it is asked
# for, waits or fails as told; anything else is left to a real Python.
PYTHON = f"""#!/usr/bin/env bash
case "$1 $2" in
  "-m venv")
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/kept" ;;
  "-m pip")
    echo "$*" >> "$CALLS"
    sleep "${{PIP_SECONDS:-0}}"
    [ -z "${{PIP_FAILS:-}}" ] || {{ echo 'ERROR: no network'; exit 1; }}
    printf '#!/bin/sh\\nexit 0\\n' > "$(dirname "$0")/convmae-mm"
    chmod +x "$(dirname "$0")/convmae-mm" ;;
  "-c import sys; print(sys._base_executable)") echo "$STAND_IN" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


class Project:
    """A checkout with what the script reads."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self.place = place
        self.python = place / 'python3'
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)
        self.calls = place / 'calls'
        for name in ('requirements', 'convmae_mm'):
            (folder / name).mkdir(parents=True)
        for file in (
            *(ROOT / 'requirements').iterdir(),
            *(ROOT / x for x in ('setup.py', 'pyproject.toml', 'MANIFEST.in')),
            ROOT / 'convmae_mm' / 'version.py',
        ):
            shutil.copy(file, folder / file.relative_to(ROOT))

    @property
    def venv(self) -> Path:
        return self.folder / '.venv'

    def start(self, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                str(self.folder / 'requirements' / 'install.sh'),
                *('maintained', '.venv'),
            ],
            env={
                **os.environ,
                'PATH': f'{self.place}:/usr/bin:/bin',
                'CALLS': str(self.calls),
                'STAND_IN': str(self.python),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def set_up(self, **env: str) -> tuple[int, str]:
        process = self.start(**env)
        printed, _ = process.communicate(timeout=60)
        return process.returncode, printed

    def num_calls(self) -> int:
        if not self.calls.exists():
            return 0
        return len(self.calls.read_text().splitlines())

    def change_a_pin(self) -> None:
        with open(self.folder / 'requirements' / 'runtime.txt', 'a') as file:
            file.write('new-package\n')


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / 'bin').mkdir()
    # The system's own must not be found before the stand-in.
    for name in ('python3.11', 'python3.12', 'python3.10'):
        (tmp_path / 'bin' / name).write_text('#!/bin/sh\nexit 1\n')
        (tmp_path / 'bin' / name).chmod(0o755)
    return Project(tmp_path / 'check out', tmp_path / 'bin')


def test_once_is_enough(project: Project) -> None:
    code, printed = project.set_up()
    assert code == 0, printed
    assert 'Creating .venv' in printed
    calls = project.calls.read_text()
    for name in ('runtime', 'demo', 'maintained', 'tests'):
        assert f'--requirement requirements/{name}.txt' in calls
    number = project.num_calls()
    assert project.set_up() == (0, '')
    assert project.num_calls() == number


def test_a_changed_pin_updates_in_place(project: Project) -> None:
    project.set_up()
    (project.venv / 'mine').touch()
    number = project.num_calls()
    project.change_a_pin()
    code, printed = project.set_up()
    assert code == 0
    assert 'updating .venv' in printed
    assert project.num_calls() == 2 * number
    assert (project.venv / 'mine').exists()
    assert project.set_up() == (0, '')


def test_a_failed_update_leaves_what_works(project: Project) -> None:
    project.set_up()
    project.change_a_pin()
    for _ in range(2):
        code, printed = project.set_up(PIP_FAILS='yes')
        assert code == 1
        assert 'ERROR: no network' in printed
        assert 'The environment of before still works' in printed
        assert (project.venv / 'bin' / 'convmae-mm').exists()
        assert (project.venv / 'kept').exists()
    assert project.set_up()[0] == 0
    assert project.set_up() == (0, '')


@pytest.mark.parametrize('complete', [True, False])
def test_a_killed_set_up(project: Project, complete: bool) -> None:
    """Only what was never complete is made afresh."""
    if complete:
        project.set_up()
        project.change_a_pin()
    number = project.num_calls()
    process = project.start(PIP_SECONDS='30')
    while project.num_calls() == number:
        assert process.poll() is None
    os.killpg(process.pid, 9)
    process.communicate()
    (project.venv / 'mine').touch()
    code, printed = project.set_up()
    assert code == 0
    assert ('starting it afresh' in printed) != complete
    assert (project.venv / 'mine').exists() == complete
    assert project.set_up() == (0, '')


def test_two_at_once_do_it_once(project: Project) -> None:
    first = project.start(PIP_SECONDS='1')
    while not project.num_calls():
        assert first.poll() is None
    code, printed = project.set_up()
    assert code == 0
    assert 'waiting' in printed
    assert first.wait() == 0
    assert 'Set-up of .venv took' in first.communicate()[0]
    assert 'Creating' not in printed
    number = project.num_calls()
    assert project.set_up() == (0, '')
    assert project.num_calls() == number


def test_a_link_is_the_same_place(project: Project) -> None:
    project.set_up()
    number = project.num_calls()
    link = project.place / 'link'
    link.symlink_to(project.folder)
    project.folder = link
    assert project.set_up() == (0, '')
    assert project.num_calls() == number


def test_a_moved_environment_is_updated_once(project: Project) -> None:
    project.set_up()
    moved = project.place / 'moved'
    project.folder = project.folder.rename(moved)
    (project.venv / 'mine').touch()
    code, printed = project.set_up()
    assert code == 0, printed
    assert 'updating' in printed
    assert (project.venv / 'mine').exists()
    assert project.set_up() == (0, '')


def test_an_environment_whose_python_is_gone_stays(project: Project) -> None:
    project.set_up()
    (project.venv / 'bin' / 'python').unlink()
    code, printed = project.set_up()
    assert code == 1
    assert 'rm -r .venv' in printed
    assert (project.venv / 'kept').exists()
