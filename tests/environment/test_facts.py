"""Facts are collected from broken environments too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convmae_mm.environment import facts


def fake_module(folder: Path, name: str, source: str) -> None:
    package = folder / name
    package.mkdir()
    (package / '__init__.py').write_text(source)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules can be imported, here and in new processes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    return tmp_path


def test_probe_survives_whatever_an_import_does(modules: Path) -> None:
    fake_module(modules, 'good_one', "print('noise on stdout')")
    fake_module(modules, 'failing', "raise ImportError('two\\n lines')")
    fake_module(modules, 'leaving', 'raise SystemExit(3)')
    fake_module(modules, 'crashing', 'import os; os.kill(os.getpid(), 11)')
    names = ('failing', 'leaving', 'crashing', 'not_there', 'good_one')

    records = [x for x in facts.probe(names) if 'end' in x]

    errors = {x['end']: x['error'] for x in records}
    assert list(errors) == list(names)
    assert errors['failing'] == 'ImportError: two lines'
    assert errors['leaving'] == 'SystemExit: 3'
    assert errors['crashing'] == 'crashed (exit code -11)'
    assert errors['not_there'].startswith('ModuleNotFoundError')
    assert errors['good_one'] is None


def test_probe_gives_up_on_an_import_that_hangs(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, 'PROBE_SECONDS', 2)
    fake_module(modules, 'hanging', 'import time; time.sleep(60)')
    fake_module(modules, 'fine_after_it', '')
    records = [
        x for x in facts.probe(('hanging', 'fine_after_it')) if 'end' in x
    ]
    assert 'no answer within 2 s' in records[0]['error']
    assert records[1]['error'] is None


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        (
            "mmcv_minimum_version = '2.0.0rc4'\n"
            "mmcv_maximum_version = '2.2.0'",
            ('2.0.0rc4', '2.2.0'),
        ),
        (
            "MMCV_MIN = '2.0.0'\nMMCV_MAX = '2.1.0'\nraise OSError",
            ('2.0.0', '2.1.0'),
        ),
        ("__version__ = '3.5.1'", None),
        ('this is no Python', None),
    ],
)
def test_stated_mmcv_range(
    modules: Path, source: str, expected: tuple[str, str] | None
) -> None:
    fake_module(modules, 'some_library', source)
    assert facts.stated_mmcv_range('some_library') == expected
    assert 'some_library' not in sys.modules


def test_stated_mmcv_range_of_a_missing_library() -> None:
    assert facts.stated_mmcv_range('no_such_library') is None


def fake_tool(folder: Path, script: str) -> None:
    tool = folder / 'nvidia-smi'
    tool.write_text(f'#!/bin/sh\n{script}\n')
    tool.chmod(0o755)


@pytest.mark.parametrize(
    ('script', 'expected'),
    [
        ("echo 'NVIDIA X, 580.65'", ['NVIDIA X (driver 580.65)']),
        ('echo failed; exit 9', []),
        (None, []),
    ],
)
def test_driver_gpus(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str | None,
    expected: list[str],
) -> None:
    if script is not None:
        fake_tool(tmp_path, script)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert facts.driver_gpus() == expected


def test_requirements_reach_everything_that_is_needed() -> None:
    versions = facts.installed_versions()
    required = facts.required_by_us(versions)
    assert 'numpy' in required
    assert set(required) <= set(versions)
    assert any(x.startswith('torch==') for x in required['torchvision'])
