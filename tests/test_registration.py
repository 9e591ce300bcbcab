"""`ConvMAE` builds from every registry, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

BUILD = """
{imports}
from {package}.registry import MODELS
backbone = MODELS.build(dict(
    type={type!r},
    arch=dict(embed_dims=[8, 8, 8], depths=[1, 1, 1], num_heads=1),
))
assert type(backbone).__module__ == 'convmae_mm.models.backbones.convmae'
"""

IMPORTED = """
import sys
import convmae_mm
wrong = {'mmdet', 'mmseg', 'mmpretrain', 'timm', 'torchvision'}
found = wrong & {name.split('.')[0] for name in sys.modules}
assert not found, found
"""


def run_python(code: str) -> None:
    """Run code in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize('package', ['mmdet', 'mmseg', 'mmpretrain'])
@pytest.mark.parametrize(
    ('imports', 'type_'),
    [('import convmae_mm', 'ConvMAE'), ('', 'convmae_mm.ConvMAE')],
)
def test_builds_from_the_registry(
    package: str, imports: str, type_: str
) -> None:
    run_python(BUILD.format(imports=imports, package=package, type=type_))


def test_import_stays_light() -> None:
    run_python(IMPORTED)
