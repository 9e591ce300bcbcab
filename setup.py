"""Build of convmae_mm.

What pyproject.toml cannot say: the requirements are read from
``requirements/``, the configs travel inside the package as ``.mim`` (where
mmengine and mim look for ``convmae_mm::...``), and a ``.pth`` file makes the
substitute for mmcv's compiled ops available in every process.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent

# Under the root of the repository and, when installed, in convmae_mm/.mim.
MIM_ITEMS = ('configs', 'tools', 'model-index.yml')

# Sorts after `__editable__*.pth`, which makes an editable install importable.
# A checkout that was deleted must not print an error at every start of Python.
START_UP_FILE = 'convmae_mm_mmcv.pth'
START_UP_LINE = (
    'import sys; exec("try:\\n'
    ' import _convmae_mm_mmcv\\n'
    ' _convmae_mm_mmcv.install()\\n'
    'except ImportError: pass")\n'
)


def read_version() -> str:
    """The version, without importing the package (and torch with it)."""
    text = (ROOT / 'convmae_mm' / 'version.py').read_text()
    match = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if match is None:
        raise RuntimeError('convmae_mm/version.py states no __version__')
    return match.group(1)


def read_requirements(name: str) -> list[str]:
    """The lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [x for x in lines if x and not x.startswith('#')]


def data_files() -> list[str]:
    """What the package has beside its modules: all of it."""
    package = ROOT / 'convmae_mm'
    return [
        str(file.relative_to(package))
        for file in package.rglob('*')
        if file.is_file()
        and file.suffix not in ('.py', '.pyc')
        and '.mim' not in file.parts
    ]


class BuildExtras(Command):
    """Adds ``convmae_mm/.mim`` and the start-up file to what is installed."""

    description = 'add convmae_mm/.mim and the start-up file'
    user_options: list[tuple[str, str, str]] = []

    def initialize_options(self) -> None:
        self.build_lib: str | None = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        self.set_undefined_options('build_py', ('build_lib', 'build_lib'))

    def run(self) -> None:
        if self.editable_mode:
            # An editable wheel has no build_lib: what is to be a real file
            # goes where setuptools collects scripts and headers.
            target = Path(self.get_finalized_command('install').install_lib)
            place, mim_parent = self._link, ROOT
        else:
            target = Path(self.build_lib)
            place, mim_parent = self._copy, target
        target.mkdir(parents=True, exist_ok=True)
        (target / START_UP_FILE).write_text(START_UP_LINE)
        mim = mim_parent / 'convmae_mm' / '.mim'
        mim.mkdir(parents=True, exist_ok=True)
        for item in MIM_ITEMS:
            place(ROOT / item, mim / item)

    @staticmethod
    def _link(source: Path, link: Path) -> None:
        if link.is_symlink() or link.is_file():
            link.unlink()
        elif link.is_dir():
            shutil.rmtree(link)
        link.symlink_to(os.path.relpath(source, link.parent))

    @staticmethod
    def _copy(source: Path, copy: Path) -> None:
        if source.is_dir():
            # Nothing stale from an earlier build may travel.
            shutil.rmtree(copy, ignore_errors=True)
            ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
            shutil.copytree(source, copy, ignore=ignore)
        else:
            shutil.copy2(source, copy)

    def get_source_files(self) -> list[str]:
        return []

    def get_outputs(self) -> list[str]:
        if self.editable_mode:
            return []
        root = Path(self.build_lib)
        mim = root / 'convmae_mm' / '.mim'
        files = [x for x in mim.rglob('*') if x.is_file()]
        return [str(x) for x in [root / START_UP_FILE, *files]]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    """The usual build and then our extras."""

    sub_commands = [*build.sub_commands, ('build_extras', None)]


README = ROOT / 'README.md'

setup(
    name='convmae_mm',
    version=read_version(),
    description='ConvMAE for OpenMMLab: pretrain, detect, segment, classify',
    long_description=README.read_text() if README.is_file() else '',
    long_description_content_type='text/markdown',
    author='convmae_mm contributors',
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['convmae_mm', 'convmae_mm.*']),
    package_data={'convmae_mm': data_files()},
    py_modules=['_convmae_mm_main', '_convmae_mm_mmcv'],
    install_requires=read_requirements('runtime'),
    extras_require={
        'maintained': read_requirements('maintained'),
        'original': read_requirements('original'),
        'demo': read_requirements('demo'),
        'tests': read_requirements('tests'),
    },
    entry_points={'console_scripts': ['convmae-mm = _convmae_mm_main:main']},
    cmdclass={'build': Build, 'build_extras': BuildExtras},
    zip_safe=False,
)
