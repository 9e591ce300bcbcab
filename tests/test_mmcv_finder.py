"""How ``mmcv._ext`` is supplied: each case in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALL = 'import _convmae_mm_mmcv; _convmae_mm_mmcv.install()\n'


def run(
    code: str, *options: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code in a new process where the checkout can be imported."""
    places = [str(x) for x in (path, ROOT) if x is not None]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(places)}
    result = subprocess.run(
        [sys.executable, *options, '-c', code],
        env=env,
        text=True,
        capture_output=True,
        cwd='/',
    )
    assert result.returncode == 0, result.stderr
    return result


def fake_mmcv(folder: Path, ext: str | None) -> Path:
    """A package called mmcv, with a ``_ext`` of the given source or none."""
    package = folder / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    if ext is not None:
        (package / '_ext.py').write_text(ext)
    return folder


def test_a_compiled_ext_is_never_shadowed(tmp_path: Path) -> None:
    path = fake_mmcv(tmp_path, "ORIGIN = 'compiled'")
    code = 'import mmcv._ext; print(mmcv._ext.ORIGIN, mmcv._ext.__file__)'
    result = run(INSTALL + code, path=path)
    assert result.stdout.split() == ['compiled', f'{path}/mmcv/_ext.py']


def test_a_broken_ext_is_not_replaced_either(tmp_path: Path) -> None:
    path = fake_mmcv(tmp_path, "raise ImportError('undefined symbol: x')")
    code = (
        'try:\n    import mmcv._ext\n'
        'except ImportError as error:\n    print(error)'
    )
    result = run(INSTALL + code, path=path)
    assert result.stdout.strip() == 'undefined symbol: x'


def test_a_finder_that_came_later_is_asked_first(tmp_path: Path) -> None:
    path = fake_mmcv(tmp_path, None)
    (path / 'elsewhere.py').write_text("ORIGIN = 'later'")
    code = f"""
import importlib.util, sys
class Later:
    def find_spec(self, name, path=None, target=None):
        if name == 'mmcv._ext':
            return importlib.util.spec_from_file_location(
                name, {str(path / 'elsewhere.py')!r})
sys.meta_path.append(Later())
import mmcv._ext
print(mmcv._ext.ORIGIN)
"""
    assert run(INSTALL + code, path=path).stdout.strip() == 'later'


def test_missing_ext_is_supplied_with_a_spec_and_one_line() -> None:
    code = """
import importlib.util, sys
import mmcv._ext, mmcv.ops
import importlib
importlib.import_module('mmcv._ext')
assert 'torchvision' not in sys.modules
assert mmcv._ext.__spec__.name == 'mmcv._ext'
assert importlib.util.find_spec('mmcv._ext') is mmcv._ext.__spec__
print(mmcv._ext.__spec__.origin)
"""
    spec = run(
        INSTALL + 'import importlib.util as u; '
        "print(type(u.find_spec('mmcv._ext').loader).__name__)"
    )
    loader = spec.stdout.strip()
    if loader == 'ExtensionFileLoader':
        pytest.skip('mmcv has compiled ops here')
    assert loader == 'SubstituteLoader'
    result = run(INSTALL + code)
    assert result.stdout.strip().endswith('convmae_mm.ops.mmcv_ops')
    said = result.stdout + result.stderr
    assert said.count('mmcv has no compiled ops') == 1


def test_nothing_else_is_answered_for() -> None:
    code = """
import sys
before = len(sys.meta_path)
_convmae_mm_mmcv.install()
assert len(sys.meta_path) == before
finder = sys.meta_path[-1]
for name in ('mmcv', 'mmcv._extra', 'mmdet._ext', '_ext'):
    assert finder.find_spec(name) is None, name
for name in ('torch', 'mmcv', 'mmengine', 'torchvision', 'importlib.util'):
    assert name not in sys.modules, name
"""
    # -S: without site-packages and what its .pth files import.
    run(INSTALL + code, '-S')


def test_start_up_imports_nothing_else() -> None:
    """It runs whenever Python starts, so it must not cost anything."""
    code = (
        'import sys; before = set(sys.modules)\n'
        + INSTALL
        + 'print(sorted(set(sys.modules) - before))'
    )
    result = run(code, '-S')
    assert result.stdout.split('\n')[-2] in (
        "['__future__', '_convmae_mm_mmcv']",
        "['_convmae_mm_mmcv']",
    )


@pytest.mark.slow
@pytest.mark.parametrize('library', ['mmdet', 'mmseg', 'mmpretrain'])
def test_models_import_and_build_ours(library: str) -> None:
    code = (
        INSTALL + f'import {library}.models\n'
        f'from {library}.registry import MODELS\n'
        "model = MODELS.build(dict(type='convmae_mm.ConvMAE', arch=dict("
        'embed_dims=[8, 12, 16], depths=[1, 1, 1], num_heads=2, '
        'mlp_ratios=[1, 1, 1])))\n'
        'print(type(model).__module__)'
    )
    result = run(code)
    assert result.stdout.split()[-1].startswith('convmae_mm.models')
