"""What an installation puts where, and that nothing stays behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    '_convmae_mm_main.py',
    '_convmae_mm_mmcv.py',
    'configs',
    'convmae_mm',
    'tools',
    'requirements',
    'LICENSE',
    'MANIFEST.in',
    'model-index.yml',
    'pyproject.toml',
    'setup.py',
)
TOP_LEVEL = {
    '_convmae_mm_main.py',
    '_convmae_mm_mmcv.py',
    'convmae_mm',
    'convmae_mm_mmcv.pth',
}
PRETRAINING = 'convmae-tiny_pretrain_digit-scenes.py'
# Stands for an mmcv without ops and the mmengine that it needs.
FAKE_LIBRARIES = {
    'mmcv/__init__.py': '',
    'mmengine/__init__.py': '',
    'mmengine/logging.py': 'def print_log(*args, **kwargs): pass',
}


def setuptools_is_recent() -> bool:
    return int(metadata.version('setuptools').partition('.')[0]) >= 77


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not setuptools_is_recent(),
        reason='building needs what requirements/build.txt names',
    ),
]


def run(*command: object, cwd: Path) -> str:
    # Only what is installed may be found.
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    result = subprocess.run(
        [str(x) for x in command],
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what is needed to build, so that the checkout stays clean."""
    folder = tmp_path / 'project'
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns('__pycache__', '.mim')
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def build(project: Path, kind: str) -> Path:
    code = f'import setuptools.build_meta as b; b.build_{kind}("dist")'
    run(sys.executable, '-c', code, cwd=project)
    (wheel,) = (project / 'dist').glob('*.whl')
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install into an empty environment; returns its interpreter."""
    run(sys.executable, '-m', 'venv', '--without-pip', folder, cwd=ROOT)
    python = folder / 'bin' / 'python'
    pip = [sys.executable, '-m', 'pip', '--python', python]
    run(*pip, 'install', '--no-deps', '--no-index', wheel, cwd=ROOT)
    return python


def site_packages(python: Path) -> Path:
    (found,) = python.parents[1].glob('lib/python*/site-packages')
    return found


def check_hook_and_removal(python: Path, tmp_path: Path) -> None:
    for name, text in FAKE_LIBRARIES.items():
        file = site_packages(python) / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    code = 'import sys; print(*sys.meta_path)'
    assert 'Substitute' in run(python, '-c', code, cwd=tmp_path)
    code = 'import mmcv._ext; print(type(mmcv._ext.__spec__.loader).__name__)'
    assert run(python, '-c', code, cwd=tmp_path).strip() == 'SubstituteLoader'

    pip = [sys.executable, '-m', 'pip', '--python', python]
    run(*pip, 'uninstall', '--yes', 'convmae_mm', cwd=tmp_path)
    left = [x.name for x in site_packages(python).iterdir()]
    assert not [x for x in left if 'convmae' in x]
    code = 'import sys; print(*sys.meta_path)'
    assert 'Substitute' not in run(python, '-c', code, cwd=tmp_path)


def test_wheel(project: Path, tmp_path: Path) -> None:
    wheel = build(project, 'wheel')
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {x.partition('/')[0] for x in names}
    assert set(names) >= {
        str(x.relative_to(ROOT))
        for x in (ROOT / 'convmae_mm').rglob('*')
        if x.is_file() and not {'.mim', '__pycache__'} & set(x.parts)
    }
    assert {x for x in top_level if 'dist-info' not in x} == TOP_LEVEL

    python = install(wheel, tmp_path / 'env')
    mim = site_packages(python) / 'convmae_mm' / '.mim'
    for name in ('configs', 'tools'):
        expected = {
            x.relative_to(project / name)
            for x in (project / name).rglob('*')
            if '__pycache__' not in x.parts
        }
        found = {
            x.relative_to(mim / name)
            for x in (mim / name).rglob('*')
            if '__pycache__' not in x.parts
        }
        assert found == expected
        assert expected
    assert (mim / 'model-index.yml').is_file()
    assert (python.parent / 'convmae-mm').is_file()
    check_hook_and_removal(python, tmp_path)


def test_editable_install(project: Path, tmp_path: Path) -> None:
    wheel = build(project, 'editable')
    python = install(wheel, tmp_path / 'env')
    code = (
        'import importlib.util as u; '
        "print(*[x for x in ('configs', 'tools', 'tests', 'setup')"
        ' if u.find_spec(x)]); '
        "print(u.find_spec('convmae_mm').origin)"
    )
    strangers, origin = run(python, '-c', code, cwd=tmp_path).split('\n')[:2]
    assert strangers == ''
    assert Path(origin) == project / 'convmae_mm' / '__init__.py'

    mim = project / 'convmae_mm' / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).is_symlink()
        assert (mim / name).resolve() == project / name
    # Once more, over the links of the first time.
    shutil.rmtree(project / 'dist')
    build(project, 'editable')
    assert (mim / 'configs').resolve() == project / 'configs'
    check_hook_and_removal(python, tmp_path)


def test_a_deleted_checkout_is_silent(project: Path, tmp_path: Path) -> None:
    python = install(build(project, 'editable'), tmp_path / 'env')
    shutil.rmtree(project)
    result = subprocess.run(
        [python, '-c', 'pass'], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, '')


@pytest.mark.parametrize('line', ['maintained', 'original'])
def test_constraints_pin_every_requirement(line: str) -> None:
    def lines(name: str) -> list[str]:
        text = (ROOT / 'requirements' / f'{name}.txt').read_text()
        return [x for x in text.splitlines() if x and x[0] != '#']

    pins = lines(f'constraints-{line}')
    assert all(re.fullmatch(r'[\w.-]+==[\w.]+(; .+)?', x) for x in pins)
    pinned = {re.split('[=;]', x)[0].lower() for x in pins}
    for name in ('runtime', 'demo', 'tests', 'build', line):
        for requirement in lines(name):
            required = re.split('[<>=!~; ]', requirement)[0].lower()
            assert required in pinned, f'{name}.txt: {requirement}'


def test_model_index_is_valid() -> None:
    modelindex = pytest.importorskip('modelindex')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    assert [x.name for x in index.collections] == ['ConvMAE']
    # mmengine fails on an index without it.
    text = (ROOT / 'model-index.yml').read_text()
    assert re.search('^Import:', text, re.MULTILINE)


def test_what_is_installed_works_away_from_the_checkout(
    project: Path, tmp_path: Path
) -> None:
    """From the wheel alone, with the packages of this environment."""
    python = install(build(project, 'wheel'), tmp_path / 'env')
    others = Path(metadata.distribution('torch').locate_file(''))
    (site_packages(python) / 'others.pth').write_text(f'{others}\n')
    command = python.parent / 'convmae-mm'

    def call(*arguments: object) -> str:
        return run(command, *arguments, cwd=tmp_path)

    assert 'mmengine' in call('doctor')
    data = tmp_path / 'data' / 'digit_scenes'
    call('digit-scenes', '--out', data, '--train', 8, '--val', 2)
    configs = site_packages(python) / 'convmae_mm' / '.mim' / 'configs'
    call(
        *('train', configs / 'quickstart' / PRETRAINING),
        *('--work-dir', tmp_path / 'work', '--cfg-options'),
        *('train_cfg.max_epochs=1', 'train_dataloader.batch_size=4'),
    )
    encoder = tmp_path / 'work' / 'epoch_1.pth'
    assert 'decoder' in call('inspect', encoder)
    code = 'import convmae_mm; print(convmae_mm.__file__)'
    assert str(site_packages(python)) in run(python, '-c', code, cwd=tmp_path)
