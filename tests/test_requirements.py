"""What is declared is what is imported."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from convmae_mm.datasets.digit_scenes import sources
from convmae_mm.environment.lines import LINES

ROOT = Path(__file__).resolve().parents[1]
# What is installed: the package, and the tools inside its `.mim`.
SHIPPED = ('convmae_mm', 'tools', '_convmae_mm_main.py', '_convmae_mm_mmcv.py')

# Asked for in words where an option needs it.
OPTIONAL = {'pandas'}


def files() -> Iterator[Path]:
    for name in SHIPPED:
        place = ROOT / name
        found = [place] if place.is_file() else place.rglob('*.py')
        yield from (x for x in found if '.mim' not in x.parts)


def imported() -> set[str]:
    """Packages that are imported anywhere, also inside of functions."""
    names = set()
    for file in files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {x.name.partition('.')[0] for x in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition('.')[0])
    ours = {x.stem for place in ('tools', 'tests') for x in files_of(place)}
    ours |= {'convmae_mm', '_convmae_mm_mmcv', 'tests', 'tools'}
    # Only their files are read.
    names |= {x.partition('.')[0] for x, _ in sources._FOLDERS.values()}
    return names - ours - OPTIONAL - sys.stdlib_module_names


def files_of(place: str) -> Iterator[Path]:
    return (ROOT / place).rglob('*.py')


def normalized(name: str) -> str:
    return re.sub('[-_.]+', '-', name).lower()


def required(name: str) -> set[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return {
        normalized(re.split('[<>=!~; ]', x)[0])
        for x in lines
        if x and x[0] != '#'
    }


def test_requirements_are_what_is_imported() -> None:
    needed = set()
    openmmlab = {normalized(x) for y in LINES for x in y.all_distributions}
    declared = required('runtime') | required('demo')
    providers = metadata.packages_distributions()
    for module in imported():
        assert module in providers, f'{module} is not installed'
        found = {normalized(x) for x in providers[module]}
        if found & openmmlab:
            continue
        # cv2 is in several.
        found = found & declared or found
        needed.add(min(found))
    assert needed == declared
