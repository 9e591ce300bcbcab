"""Which part of the package may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import convmae_mm

ROOT = Path(convmae_mm.__file__).parent

# Folder -> what it may import at module level, besides the standard library,
# torch, numpy and itself.
ALLOWED = {
    'ops': {'convmae_mm.environment'},
    'environment': {'packaging'},
    'layers': {'mmcv', 'convmae_mm.ops'},
    'models/backbones': {
        'mmengine',
        'convmae_mm.layers',
        'convmae_mm.ops',
    },
    'models/necks': {
        'mmengine',
        'convmae_mm.layers',
        'convmae_mm.ops',
        'convmae_mm.models.backbones',
    },
    'models/selfsup': {
        'mmpretrain',
        'convmae_mm.ops',
        'convmae_mm.models.backbones',
        'convmae_mm.models.building',
    },
    'checkpoint': {
        'safetensors',
        'mmengine',
        'convmae_mm.ops',
        'convmae_mm.models.backbones',
        'convmae_mm.models.necks',
    },
}
# The ground: data and errors that everything may import.
GROUND = {
    'convmae_mm.arguments',
    'convmae_mm.errors',
    'convmae_mm.files',
    'convmae_mm.registry',
    'convmae_mm.shipped',
    'convmae_mm.variants',
}
# Outside models/selfsup nothing may need them at import.
OPENMMLAB = ('mmdet', 'mmseg', 'mmpretrain')


# All of the package, from the ground up: each imports from those before it,
# inside of functions too.
ORDER = (
    *(
        'version',
        'errors',
        'files',
        'arguments',
        'registry',
        'variants',
        'processes',
        'shipped',
    ),
    *('environment', 'ops', 'layers', 'models', 'checkpoint', 'engine'),
    *('datasets', 'data_check', 'apis', 'predict', 'report', 'own_data'),
    *('demo', 'cli'),
)


def all_imports(path: Path) -> set[str]:
    """Absolute names that a file imports anywhere."""
    return imports_of(path, (ast.Lambda,))


def module_level_imports(path: Path) -> set[str]:
    """Absolute names that a file imports outside of functions."""
    return imports_of(path, (ast.FunctionDef, ast.Lambda))


def imports_of(path: Path, left_out: tuple[type[ast.AST], ...]) -> set[str]:
    names: set[str] = set()
    package = ['convmae_mm', *path.relative_to(ROOT).parts[:-1]]

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                names.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) + 1 - child.level]
                stem = base if child.level else []
                names.add('.'.join([*stem, child.module or '']).strip('.'))
            elif not isinstance(child, left_out):
                if not is_type_checking(child):
                    visit(child)

    visit(ast.parse(path.read_text()))
    return names


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is an ``if TYPE_CHECKING:`` block."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == 'TYPE_CHECKING'
    )


def starts_with(name: str, prefix: str) -> bool:
    """Whether a module is a package or lies in it."""
    return name == prefix or name.startswith(prefix + '.')


@pytest.mark.parametrize('folder', ALLOWED)
def test_import_direction(folder: str) -> None:
    import sys

    own = 'convmae_mm.' + folder.replace('/', '.')
    allowed = ALLOWED[folder] | GROUND | {'torch', 'numpy', own}
    files = list((ROOT / folder).rglob('*.py'))
    assert files
    for path in files:
        for name in module_level_imports(path):
            if name.split('.')[0] in sys.stdlib_module_names:
                continue
            assert any(starts_with(name, prefix) for prefix in allowed), (
                f'{path.relative_to(ROOT)} imports {name}'
            )


def test_no_arrow_runs_up() -> None:
    """A folder or module that has no place in the order fails as well."""
    for path in ROOT.rglob('*.py'):
        place = path.relative_to(ROOT).parts[0].removesuffix('.py')
        if place in ('__init__', '.mim'):
            continue
        below = ORDER[: ORDER.index(place) + 1]
        for name in all_imports(path):
            if name.startswith('convmae_mm.'):
                assert name.split('.')[1] in below, (
                    f'{path.relative_to(ROOT)} imports {name}'
                )


def test_openmmlab_packages_are_imported_where_they_are_needed() -> None:
    for path in ROOT.rglob('*.py'):
        if path.is_relative_to(ROOT / 'models' / 'selfsup'):
            continue
        if '.mim' in path.parts:
            continue
        for name in module_level_imports(path):
            assert name.split('.')[0] not in OPENMMLAB, (
                f'{path.relative_to(ROOT)} imports {name}'
            )
