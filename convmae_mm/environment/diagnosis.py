"""From facts to findings: what is wrong, and what to type to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .failed_imports import failed_imports
from .finding import Finding
from .lines import (
    LINES,
    MAINTAINED,
    ORIGINAL,
    TRIED_TORCH,
    OpenMMLabLine,
    compile_mmcv_command,
)
from .unmet_requirements import unmet_requirements

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 12)

# The mmcv that a frozen library goes with, if one must be named.
LAST_MMCV_OF_ORIGINAL = 'mmcv-lite==2.1.0'

REINSTALL = 'in the repository: pip install --no-deps -e .'


def diagnose(facts: Facts) -> list[Finding]:
    """Everything that is wrong, causes before consequences."""
    checks = (
        _python,
        _lines,
        _our_package,
        _mmcv_range,
        _torchvision,
        _cv2,
        unmet_requirements,
        _mmcv_ops,
        _old_mmengine,
        _numpy_bridge,
        _gpu,
        _transformers,
    )
    findings = [x for check in checks for x in check(facts)]
    return findings + list(failed_imports(facts, findings))


def installed_lines(facts: Facts) -> list[OpenMMLabLine]:
    """The OpenMMLab lines of which anything is installed."""
    return [
        line
        for line in LINES
        if any(x in facts.versions for x in line.all_distributions)
    ]


def _python(facts: Facts) -> Iterator[Finding]:
    if not OLDEST_PYTHON <= facts.python[:2] <= NEWEST_PYTHON:
        version = '.'.join(map(str, facts.python))
        yield Finding(
            'error',
            f'Python {version} is not supported; 3.10 to 3.12 are',
            'create an environment with one of them: '
            'make setup PYTHON=python3.11',
        )


def _lines(facts: Facts) -> Iterator[Finding]:
    lines = installed_lines(facts)
    if not lines:
        yield Finding(
            'error',
            'no OpenMMLab packages are installed',
            _install(MAINTAINED),
            explains=('mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain'),
        )
        return
    if len(lines) > 1:
        yield _mixed_lines(facts, lines)
        return
    line = lines[0]
    missing = {
        module: names[0]
        for module, names in line.distributions.items()
        if not any(x in facts.versions for x in names)
    }
    if missing:
        yield Finding(
            'error',
            f'only part of the {line.name} OpenMMLab line is installed: '
            f'{", ".join(missing)} missing',
            _install(line),
            explains=tuple(missing),
        )
    if {'mmcv', 'mmcv-lite'} <= facts.versions.keys():
        yield Finding(
            'error',
            'mmcv and mmcv-lite are both installed and overwrite each '
            "other's files",
            'pip uninstall -y mmcv mmcv-lite && '
            f'pip install {LAST_MMCV_OF_ORIGINAL}',
            explains=('mmcv',),
        )


def _mixed_lines(facts: Facts, lines: list[OpenMMLabLine]) -> Finding:
    installed = [
        [x for x in line.all_distributions if x in facts.versions]
        for line in lines
    ]
    named = ' and '.join(
        f'{", ".join(names)} ({line.name})'
        for line, names in zip(lines, installed, strict=True)
    )
    everything = ' '.join(x for names in installed for x in names)
    return Finding(
        'error',
        f'both OpenMMLab lines are installed, {named}, and overwrite each '
        "other's files",
        f'pip uninstall -y {everything}; then {_install(MAINTAINED)}',
        explains=('mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain'),
    )


def _install(line: OpenMMLabLine) -> str:
    return (
        f'in the repository: pip install -r requirements/{line.name}.txt '
        f'-c requirements/constraints-{line.name}.txt'
    )


def _our_package(facts: Facts) -> Iterator[Finding]:
    if 'convmae-mm' not in facts.versions:
        yield Finding('error', 'convmae_mm is not installed', REINSTALL)
        return
    if facts.missing_mim:
        names = ', '.join(f'.mim/{x}' for x in facts.missing_mim)
        yield Finding(
            'error',
            f'the installed convmae_mm lacks {names}; convmae_mm::... '
            'configs will not be found',
            REINSTALL,
        )


def _mmcv_range(facts: Facts) -> Iterator[Finding]:
    try:
        from packaging.version import Version
    except ImportError:
        yield Finding(
            'error',
            'packaging is not installed; versions cannot be compared',
            'pip install packaging',
        )
        return
    names = [x for y in LINES for x in y.distributions['mmcv']]
    name = next((x for x in names if x in facts.versions), None)
    if name is None:
        return
    mmcv = Version(facts.versions[name])
    for library, (low, high) in facts.mmcv_ranges.items():
        if Version(low) <= mmcv < Version(high):
            continue
        direction = 'old' if mmcv < Version(low) else 'new'
        own = _distribution_of(library, facts)
        remedy = f"pip install '{name}>={low},<{high}'"
        if name in ORIGINAL.distributions['mmcv'] and direction == 'new':
            remedy = f'pip uninstall -y {name} && '
            remedy += f'pip install {LAST_MMCV_OF_ORIGINAL}'
        yield Finding(
            'error',
            f'{name} {mmcv} is too {direction} for {own}, which takes '
            f'>={low},<{high}',
            remedy,
            explains=(library,),
        )


def _distribution_of(library: str, facts: Facts) -> str:
    for line in LINES:
        for name in line.distributions[library]:
            if name in facts.versions:
                return f'{name} {facts.versions[name]}'
    return library


def _torchvision(facts: Facts) -> Iterator[Finding]:
    torch = facts.versions.get('torch')
    vision = facts.versions.get('torchvision')
    if torch is None or vision is None or 'torch' in facts.import_errors:
        return
    wanted = next(
        (
            x.removeprefix('torch==')
            for x in facts.requirements.get('torchvision', [])
            if x.startswith('torch==')
        ),
        torch.partition('+')[0],
    )
    builds = [x.partition('+')[2] for x in (torch, vision)]
    error = facts.import_errors.get('torchvision')
    if (
        error is None
        and wanted == torch.partition('+')[0]
        and (builds[0] == builds[1] or '' in builds)
    ):
        return
    detail = f' ({error})' if error else f', which goes with torch {wanted}'
    if not error and builds[0] != builds[1]:
        detail = ', which is another build'
    yield Finding(
        'error',
        f'torch {torch} does not match torchvision {vision}{detail}',
        'install both in one command, from one index: '
        f'pip install --force-reinstall {TRIED_TORCH}',
        explains=('torchvision',),
    )


def _cv2(facts: Facts) -> Iterator[Finding]:
    error = facts.import_errors.get('cv2')
    if error is None:
        return
    version = facts.versions.get(
        'opencv-python-headless', facts.versions.get('opencv-python')
    )
    pin = f'=={version}' if version else ''
    if '.so' in error:
        problem = f'cv2 lacks a library of the system ({error})'
    else:
        problem = f'cv2 does not import ({error})'
    yield Finding(
        'error',
        problem,
        f'pip install --force-reinstall --no-deps opencv-python-headless{pin}',
        explains=('cv2',),
    )


def _mmcv_ops(facts: Facts) -> Iterator[Finding]:
    if facts.mmcv_ops == 'broken':
        yield Finding(
            'error',
            f"mmcv's compiled ops do not load ({facts.mmcv_ops_error}); "
            'they were compiled for another torch',
            compile_mmcv_command(facts.versions),
            explains=('mmdet',),
        )
    elif facts.mmcv_ops == 'missing':
        yield Finding(
            'error',
            'mmcv has no compiled ops and the substitute is not in effect '
            '(convmae_mm_mmcv.pth is missing); mmdet cannot be imported',
            REINSTALL,
            explains=('mmdet',),
        )
    elif (
        facts.mmcv_ops == 'substituted'
        and 'mmcv' in facts.versions
        and 'mmcv-lite' not in facts.versions
    ):
        yield Finding(
            'warning',
            f'mmcv {facts.versions["mmcv"]} was installed without its '
            'compiled ops; torchvision and PyTorch supply those that '
            'mmdet, mmseg and mmpretrain need, more slowly',
            'if you need others, or speed: '
            f'{compile_mmcv_command(facts.versions)}',
        )


def _old_mmengine(facts: Facts) -> Iterator[Finding]:
    if 'mmengine' in facts.versions and not facts.pkg_resources:
        yield Finding(
            'error',
            f'mmengine {facts.versions["mmengine"]} needs pkg_resources, '
            'which this setuptools does not have',
            "pip install 'setuptools<81'",
        )


def _numpy_bridge(facts: Facts) -> Iterator[Finding]:
    if facts.numpy_bridge_error is not None:
        numpy = facts.versions.get('numpy', 'none')
        torch = facts.versions.get('torch', '')
        yield Finding(
            'error',
            f'torch {torch} cannot use numpy {numpy} '
            f'({facts.numpy_bridge_error})',
            'pip install numpy==2.2.6',
        )


def _gpu(facts: Facts) -> Iterator[Finding]:
    if facts.gpus or not facts.driver_gpus or 'torch' in facts.import_errors:
        return
    torch = facts.versions.get('torch', '')
    gpus = ', '.join(facts.driver_gpus)
    if facts.torch_cuda is None:
        problem = f'torch {torch} is built for CPU and leaves {gpus} unused'
        remedy = 'install torch and torchvision with CUDA, see pytorch.org'
    else:
        said = f': {facts.cuda_warning}' if facts.cuda_warning else ''
        problem = (
            f'torch {torch} (CUDA {facts.torch_cuda}) cannot use {gpus}{said}'
        )
        remedy = (
            'update the driver, or install torch and torchvision for an '
            'older CUDA, see pytorch.org'
        )
    yield Finding('warning', problem, remedy)


def _transformers(facts: Facts) -> Iterator[Finding]:
    if 'transformers' in facts.versions:
        yield Finding(
            'warning',
            f'transformers {facts.versions["transformers"]} makes mmpretrain '
            'import its multimodal models, which is slow and may fail',
            'pip uninstall -y transformers',
        )
