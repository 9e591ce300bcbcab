"""Collects what is installed, without importing any of it here."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from .lines import LINES

# In the order in which one needs the other. The model packages are what
# training imports; the plain `import mmdet` would hide most failures.
MODULES = (
    'numpy',
    'cv2',
    'torch',
    'torchvision',
    'mmengine',
    'mmcv',
    'mmdet.models',
    'mmseg.models',
    'mmpretrain.models',
    'convmae_mm',
)

MIM_ITEMS = ('configs', 'tools', 'model-index.yml')

# Whoever says which mmcv it takes writes it so in its __init__.py.
MMCV_MINIMUM = ('mmcv_minimum_version', 'MMCV_MIN')
MMCV_MAXIMUM = ('mmcv_maximum_version', 'MMCV_MAX')

PROBE_SECONDS = 300


@dataclass
class Facts:
    """What is installed and what happens when it is imported.

    Attributes:
        python: Version of the interpreter.
        versions: Normalised distribution name -> version, all installed ones.
        requirements: Distribution -> what it requires (PEP 508), for
            convmae_mm, the OpenMMLab packages and all they need.
        import_errors: Module -> error, for those of MODULES that fail.
        mmcv_ranges: 'mmdet' ... -> lowest and first excluded mmcv version
            that it accepts; libraries that state none are absent.
        mmcv_ops: 'compiled', 'substituted', 'missing', 'broken' or None where
            mmcv does not import.
        mmcv_ops_error: Why compiled ops do not load.
        start_up_hook: Whether the .pth file of convmae_mm is in effect.
        missing_mim: Items of ``convmae_mm/.mim`` that are not there.
        pkg_resources: Whether setuptools still has it.
        torch_cuda: CUDA version that torch was built for; None: CPU.
        gpus: Names of the GPUs that torch can use.
        driver_gpus: Names of the GPUs that the driver reports.
        cuda_warning: What torch said when asked for GPUs.
        numpy_bridge_error: Why torch takes no numpy arrays.
    """

    python: tuple[int, int, int]
    versions: dict[str, str] = field(default_factory=dict)
    requirements: dict[str, list[str]] = field(default_factory=dict)
    import_errors: dict[str, str] = field(default_factory=dict)
    mmcv_ranges: dict[str, tuple[str, str]] = field(default_factory=dict)
    mmcv_ops: str | None = None
    mmcv_ops_error: str | None = None
    start_up_hook: bool = False
    missing_mim: list[str] = field(default_factory=list)
    pkg_resources: bool = False
    torch_cuda: str | None = None
    gpus: list[str] = field(default_factory=list)
    driver_gpus: list[str] = field(default_factory=list)
    cuda_warning: str | None = None
    numpy_bridge_error: str | None = None


def collect_facts() -> Facts:
    """Look at this interpreter's environment; takes some ten seconds."""
    facts = Facts(python=sys.version_info[:3])
    facts.versions = installed_versions()
    facts.requirements = required_by_us(facts.versions)
    facts.pkg_resources = _find('pkg_resources') is not None
    facts.driver_gpus = driver_gpus()
    package = Path(__file__).resolve().parents[1]
    facts.missing_mim = [
        x for x in MIM_ITEMS if not (package / '.mim' / x).exists()
    ]
    for library in ('mmdet', 'mmseg', 'mmpretrain'):
        stated = stated_mmcv_range(library)
        if stated is not None:
            facts.mmcv_ranges[library] = stated
    for record in probe(MODULES):
        if record.get('error'):
            facts.import_errors[record['end']] = record['error']
        for name, value in record.items():
            if name not in ('end', 'error'):
                setattr(facts, name, value)
    return facts


def installed_versions() -> dict[str, str]:
    """Normalised name -> version of every distribution."""
    versions: dict[str, str] = {}
    for distribution in metadata.distributions():
        # A half removed distribution has no name.
        name = distribution.metadata['Name']
        if name:
            versions.setdefault(normalise(name), distribution.version)
    return versions


def required_by_us(versions: dict[str, str]) -> dict[str, list[str]]:
    """What our distributions require, and what those require, and so on."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return {}
    waiting = ['convmae-mm', 'torch', 'torchvision']
    waiting += [x for line in LINES for x in line.all_distributions]
    found: dict[str, list[str]] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name not in versions:
            continue
        found[name] = []
        for text in metadata.requires(name) or []:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            marker = requirement.marker
            if marker is None or marker.evaluate({'extra': ''}):
                required = normalise(requirement.name)
                found[name].append(f'{required}{requirement.specifier}')
                waiting.append(required)
    return found


def stated_mmcv_range(library: str) -> tuple[str, str] | None:
    """The mmcv versions that a library asserts, read without importing it."""
    spec = _find(library)
    if spec is None or spec.origin is None:
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_text(encoding='utf-8'))
    except (OSError, SyntaxError, ValueError):
        return None
    stated: dict[str, str] = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            stated[node.targets[0].id] = node.value.value
    low = [stated[x] for x in MMCV_MINIMUM if x in stated]
    high = [stated[x] for x in MMCV_MAXIMUM if x in stated]
    return (low[0], high[0]) if low and high else None


def driver_gpus() -> list[str]:
    """GPUs by the NVIDIA driver's own tool; none where there is no such."""
    tool = shutil.which('nvidia-smi')
    if tool is None:
        return []
    query = ['--query-gpu=name,driver_version', '--format=csv,noheader']
    try:
        result = subprocess.run(
            [tool, *query], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return []
    if result.returncode != 0:
        return []
    lines = [x.strip() for x in result.stdout.splitlines() if x.strip()]
    return [x.replace(', ', ' (driver ') + ')' for x in lines]


def probe(modules: tuple[str, ...]) -> list[dict[str, Any]]:
    """Import modules in a process of their own; see ``probe.py``.

    A module that takes the process down is recorded as failed, and a new
    process goes on behind it.
    """
    script = Path(__file__).with_name('probe.py')
    records: list[dict[str, Any]] = []
    waiting = list(modules)
    while waiting:
        # -W: deprecations in the libraries are not the user's concern.
        command = [sys.executable, '-W', 'ignore', str(script), *waiting]
        try:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=PROBE_SECONDS,
            )
            output, ended = result.stdout, f'exit code {result.returncode}'
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b'').decode()
            ended = f'no answer within {PROBE_SECONDS} s'
        running = None
        for line in output.splitlines():
            record = json.loads(line)
            running = record.pop('start', None)
            if record:
                records.append(record)
            if 'end' in record:
                waiting.remove(record['end'])
        if waiting:
            running = running or waiting[0]
            records.append({'end': running, 'error': f'crashed ({ended})'})
            waiting.remove(running)
    return records


def normalise(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return name.lower().replace('_', '-').replace('.', '-')


def _find(module: str) -> Any:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
