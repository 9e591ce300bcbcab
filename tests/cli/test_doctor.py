"""The doctor on this environment and on ones it must survive."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from convmae_mm.cli import doctor
from convmae_mm.environment import Facts, Finding, collect_facts, diagnose

ROOT = Path(__file__).resolve().parents[2]


def test_table_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = Facts(
        python=(3, 11, 7),
        versions={'mmdet': '3.3.0', 'torch': '2.11.0'},
        mmcv_ops='substituted',
        gpus=['NVIDIA X'],
    )
    findings = [Finding('warning', 'w ' * 60, 'do [this]')]
    monkeypatch.setattr(doctor, 'collect_facts', lambda: facts)
    monkeypatch.setattr(doctor, 'diagnose', lambda facts: findings)

    args = argparse.Namespace(licenses=False)
    assert doctor.run(args) == 0
    printed = capsys.readouterr().out
    assert 'original' in printed
    assert 'NVIDIA X' in printed
    assert 'built for CPU' in printed
    assert 'do [this]' in printed
    # Not wrapped: a command must stay in one piece.
    assert f'warning: {"w " * 60}'.strip() in printed

    findings.append(Finding('error', 'broken', 'mend it'))
    assert doctor.run(args) == 1

    monkeypatch.setitem(sys.modules, 'rich.console', None)
    assert doctor.run(args) == 1
    assert 'error: broken\n  mend: mend it' in capsys.readouterr().out


def test_with_no_packages_at_all(tmp_path: Path) -> None:
    empty = tmp_path / 'empty'
    venv.create(empty, with_pip=False)
    code = 'import sys, _convmae_mm_main as m; sys.exit(m.main())'
    result = subprocess.run(
        [empty / 'bin' / 'python', '-c', code, 'doctor'],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        text=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert 'no OpenMMLab packages are installed' in result.stdout
    assert "No module named 'torch'" in result.stdout
    assert result.stderr == ''


@pytest.mark.slow
def test_this_environment() -> None:
    facts = collect_facts()
    assert facts.python == sys.version_info[:3]
    assert facts.mmcv_ops in ('compiled', 'substituted', 'missing')
    assert facts.versions['torch']
    installed = facts.versions.get('convmae-mm') is not None
    errors = [x for x in diagnose(facts) if x.severity == 'error']
    if installed:
        assert errors == []
    else:
        # From a bare checkout: just that, and what follows from it.
        assert errors[0].problem == 'convmae_mm is not installed'
        assert len(errors) <= 2
