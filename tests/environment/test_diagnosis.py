"""Every diagnosis, on made-up facts."""

from __future__ import annotations

from typing import Any

import pytest

from convmae_mm.environment import Facts, Finding, diagnose

COMMON = {
    'convmae-mm': '0.1.0',
    'torch': '2.11.0',
    'torchvision': '0.26.0',
    'numpy': '2.2.6',
    'opencv-python-headless': '4.12.0.88',
    'setuptools': '80.8.0',
}
MAINTAINED = {
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
    'onedl-mmsegmentation': '1.4.2',
    'onedl-mmpretrain': '1.3.6',
}
ORIGINAL = {
    'mmengine': '0.10.7',
    'mmcv-lite': '2.1.0',
    'mmdet': '3.3.0',
    'mmsegmentation': '1.2.2',
    'mmpretrain': '1.2.0',
}
ORIGINAL_RANGES = {
    'mmdet': ('2.0.0rc4', '2.2.0'),
    'mmseg': ('2.0.0rc4', '2.2.0'),
    'mmpretrain': ('2.0.0', '2.4.0'),
}


def facts(line: dict[str, str] = MAINTAINED, **changes: Any) -> Facts:
    """A healthy environment, changed; a version of None removes it."""
    versions = {**COMMON, **line, **changes.pop('versions', {})}
    healthy: dict[str, Any] = {
        'python': (3, 11, 7),
        'versions': {k: v for k, v in versions.items() if v is not None},
        'requirements': {'torchvision': ['numpy', 'torch==2.11.0']},
        'mmcv_ranges': ORIGINAL_RANGES if 'mmdet' in line else {},
        'mmcv_ops': 'substituted',
        'start_up_hook': True,
        'pkg_resources': True,
        'torch_cuda': '13.0',
    }
    return Facts(**{**healthy, **changes})


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    (finding,) = findings
    for text in (finding.problem, finding.remedy):
        assert text
        assert '\n' not in text
    return finding


@pytest.mark.parametrize('line', [MAINTAINED, ORIGINAL])
def test_healthy(line: dict[str, str]) -> None:
    assert diagnose(facts(line)) == []
    assert diagnose(facts(line, mmcv_ops='compiled')) == []
    with_gpu = facts(line, gpus=['A'], driver_gpus=['A (driver 580)'])
    assert diagnose(with_gpu) == []


@pytest.mark.parametrize('python', [(3, 9, 1), (3, 13, 0)])
def test_unsupported_python(python: tuple[int, int, int]) -> None:
    finding = only(diagnose(facts(python=python)))
    assert '.'.join(map(str, python)) in finding.problem
    assert 'PYTHON=python3.11' in finding.remedy


def test_no_line() -> None:
    errors = {'mmengine': 'ModuleNotFoundError: x', 'mmcv': 'y'}
    finding = only(
        diagnose(facts({}, import_errors=errors, mmcv_ops=None)),
    )
    assert finding.severity == 'error'
    assert 'no OpenMMLab packages' in finding.problem


def test_both_lines() -> None:
    errors = {'mmdet.models': 'AssertionError: MMCV==2.3.6'}
    finding = only(
        diagnose(
            facts(
                {**MAINTAINED, 'mmcv-lite': '2.1.0', 'mmdet': '3.3.0'},
                mmcv_ranges={},
                import_errors=errors,
            )
        )
    )
    assert finding.severity == 'error'
    assert 'both OpenMMLab lines' in finding.problem
    for name in ('onedl-mmcv', 'mmcv-lite', 'mmdet'):
        assert name in finding.problem
        assert name in finding.remedy


def test_part_of_a_line() -> None:
    finding = only(
        diagnose(
            facts(
                versions={'onedl-mmdetection': None},
                import_errors={'mmdet.models': "No module named 'mmdet'"},
            )
        )
    )
    assert 'only part of the maintained' in finding.problem
    assert 'mmdet missing' in finding.problem
    assert '-r requirements/maintained.txt' in finding.remedy


def test_mmcv_and_mmcv_lite() -> None:
    finding = only(diagnose(facts(ORIGINAL, versions={'mmcv': '2.1.0'})))
    assert 'mmcv and mmcv-lite' in finding.problem


def test_torch_and_torchvision_of_different_versions() -> None:
    finding = only(
        diagnose(
            facts(
                versions={'torchvision': '0.25.0'},
                requirements={'torchvision': ['torch==2.10.0']},
            )
        )
    )
    assert 'torch 2.11.0 does not match torchvision 0.25.0' in finding.problem
    assert '2.10.0' in finding.problem
    assert 'torchvision==' in finding.remedy


def test_torch_and_torchvision_of_different_builds() -> None:
    versions = {'torch': '2.11.0+cpu', 'torchvision': '0.26.0+cu130'}
    finding = only(diagnose(facts(versions=versions)))
    assert 'another build' in finding.problem
    same = {'torch': '2.11.0+cpu', 'torchvision': '0.26.0+cpu'}
    assert diagnose(facts(versions=same)) == []


def test_torchvision_whose_ops_do_not_load() -> None:
    errors = {
        'torchvision': 'RuntimeError: torchvision::nms does not exist',
        'mmdet.models': "AttributeError: module 'torchvision' has no ...",
    }
    finding = only(diagnose(facts(import_errors=errors)))
    assert 'nms does not exist' in finding.problem


@pytest.mark.parametrize('name', ['mmcv', 'mmcv-lite'])
def test_mmcv_too_new_for_frozen_libraries(name: str) -> None:
    errors = {
        'mmdet.models': 'AssertionError: MMCV==2.2.0 is used but',
        'mmseg.models': 'AssertionError: MMCV==2.2.0 is used but',
    }
    findings = diagnose(
        facts(
            ORIGINAL,
            versions={'mmcv-lite': None, name: '2.2.0'},
            import_errors=errors,
            mmcv_ops='compiled',
        )
    )
    assert [x.severity for x in findings] == ['error', 'error']
    for finding, library in zip(
        findings, ('mmdet 3.3.0', 'mmsegmentation 1.2.2'), strict=True
    ):
        assert f'{name} 2.2.0 is too new for {library}' in finding.problem
        assert '<2.2.0' in finding.problem
        assert 'mmcv-lite==2.1.0' in finding.remedy


def test_mmcv_too_old() -> None:
    finding = only(
        diagnose(
            facts(
                versions={'onedl-mmcv': '1.7.2'},
                mmcv_ranges={'mmpretrain': ('2.0.0', '2.4.0')},
            )
        )
    )
    assert 'too old for onedl-mmpretrain 1.3.6' in finding.problem
    assert "'onedl-mmcv>=2.0.0,<2.4.0'" in finding.remedy


def test_full_mmcv_without_ops() -> None:
    finding = only(
        diagnose(
            facts(ORIGINAL, versions={'mmcv-lite': None, 'mmcv': '2.1.0'})
        )
    )
    assert finding.severity == 'warning'
    assert 'without its compiled ops' in finding.problem
    assert 'no-build-isolation' in finding.remedy


def test_ops_that_do_not_load() -> None:
    finding = only(
        diagnose(
            facts(
                mmcv_ops='broken',
                mmcv_ops_error='ImportError: undefined symbol: _ZN3c10',
                import_errors={'mmdet.models': 'ImportError: undefined'},
            )
        )
    )
    assert '_ZN3c10' in finding.problem
    assert 'no-build-isolation' in finding.remedy


def test_neither_ops_nor_substitute() -> None:
    error = "ModuleNotFoundError: No module named 'mmcv._ext'"
    finding = only(
        diagnose(
            facts(
                mmcv_ops='missing',
                start_up_hook=False,
                import_errors={'mmdet.models': error},
            )
        )
    )
    assert 'convmae_mm_mmcv.pth' in finding.problem
    assert 'pip install --no-deps -e .' in finding.remedy


def test_cv2_without_libgl() -> None:
    error = (
        'ImportError: libGL.so.1: cannot open shared object file: '
        'No such file or directory'
    )
    errors = dict.fromkeys(
        ['cv2', 'mmcv', 'mmdet.models', 'convmae_mm'], error
    )
    finding = only(diagnose(facts(import_errors=errors, mmcv_ops=None)))
    assert 'libGL.so.1' in finding.problem
    assert 'opencv-python-headless==4.12.0.88' in finding.remedy


@pytest.mark.parametrize(
    ('version', 'requirement', 'said'),
    [
        ('2.4.0', 'numpy<2.3.0,>=2', 'numpy 2.4.0 is too new'),
        ('1.24.0', 'numpy<2.3.0,>=2', 'numpy 1.24.0 is too old'),
        ('2.4.0', 'numpy==2.2.*', 'numpy 2.4.0 is too new'),
        ('1.24.0', 'numpy==2.2.*', 'numpy 1.24.0 is too old'),
        ('1.24.0', 'numpy~=1.26', 'numpy 1.24.0 is too old'),
    ],
)
def test_numpy_too_new_or_old(
    version: str, requirement: str, said: str
) -> None:
    required = {'opencv-python-headless': [requirement]}
    finding = only(
        diagnose(facts(versions={'numpy': version}, requirements=required))
    )
    assert f'{said} for opencv-python-headless' in finding.problem
    assert finding.remedy == f"pip install '{requirement}'"


def test_numpy_that_torch_cannot_use() -> None:
    error = 'RuntimeError: Numpy is not available'
    finding = only(diagnose(facts(numpy_bridge_error=error)))
    assert 'Numpy is not available' in finding.problem


def test_all_who_need_another_numpy_are_in_one_finding() -> None:
    required = {'convmae-mm': ['numpy>=1.26'], 'torch': ['numpy<2.3,>=2']}
    finding = only(
        diagnose(facts(versions={'numpy': '1.24'}, requirements=required))
    )
    assert 'convmae-mm 0.1.0 (takes >=1.26)' in finding.problem
    assert 'torch 2.11.0 (takes <2.3,>=2)' in finding.problem
    for part in ('>=1.26', '>=2', '<2.3'):
        assert part in finding.remedy


def test_missing_requirement() -> None:
    required = {'convmae-mm': ['timm', 'torch>=2.4'], 'torch': ['timm>=1']}
    finding = only(diagnose(facts(requirements=required)))
    assert finding.problem == (
        'timm is not installed; needed by convmae-mm 0.1.0, torch 2.11.0'
    )
    assert finding.remedy == "pip install 'timm>=1'"


def test_without_torch() -> None:
    error = "ModuleNotFoundError: No module named 'torch'"
    errors = dict.fromkeys(['torch', 'torchvision', 'mmcv'], error)
    finding = only(
        diagnose(
            facts(
                versions={'torch': None},
                requirements={'convmae-mm': ['torch>=2.4']},
                import_errors=errors,
                mmcv_ops=None,
            )
        )
    )
    assert 'torch is not installed' in finding.problem
    assert 'torchvision==' in finding.remedy


def test_files_lost_to_another_line() -> None:
    errors = {
        'mmdet.models': "ModuleNotFoundError: No module named 'mmcv.cnn'",
        'mmseg.models': "ModuleNotFoundError: No module named 'mmcv.cnn'",
    }
    findings = diagnose(facts(import_errors=errors))
    assert 'mmdet.models does not import' in findings[0].problem
    assert '--force-reinstall --no-deps onedl-mmcv==2.3.6' in (
        findings[0].remedy
    )


def test_headless_opencv_replaces_the_other() -> None:
    required = {'onedl-mmcv': ['opencv-python']}
    assert diagnose(facts(requirements=required)) == []


def test_our_package_is_not_installed() -> None:
    finding = only(diagnose(facts(versions={'convmae-mm': None})))
    assert finding.problem == 'convmae_mm is not installed'


def test_missing_configs() -> None:
    finding = only(diagnose(facts(missing_mim=['configs', 'tools'])))
    assert '.mim/configs, .mim/tools' in finding.problem


def test_old_mmengine_without_pkg_resources() -> None:
    finding = only(diagnose(facts(ORIGINAL, pkg_resources=False)))
    assert 'pkg_resources' in finding.problem
    assert 'setuptools<81' in finding.remedy
    assert diagnose(facts(MAINTAINED, pkg_resources=False)) == []


def test_gpu_with_a_cpu_build() -> None:
    finding = only(
        diagnose(facts(torch_cuda=None, driver_gpus=['A (driver 580.1)']))
    )
    assert finding.severity == 'warning'
    assert 'built for CPU' in finding.problem
    assert 'A (driver 580.1)' in finding.problem


def test_gpu_with_an_old_driver() -> None:
    finding = only(
        diagnose(
            facts(
                driver_gpus=['A (driver 470.1)'],
                cuda_warning='The NVIDIA driver on your system is too old',
            )
        )
    )
    assert 'too old' in finding.problem
    assert 'CUDA 13.0' in finding.problem


def test_transformers() -> None:
    finding = only(diagnose(facts(versions={'transformers': '5.0.0'})))
    assert finding.severity == 'warning'
    assert 'transformers 5.0.0' in finding.problem


def test_any_other_failing_import_is_told_once() -> None:
    errors = {
        'mmdet.models': "ModuleNotFoundError: No module named 'shapely'",
        'mmseg.models': "ModuleNotFoundError: No module named 'shapely'",
        'convmae_mm': 'crashed (exit code -11)',
    }
    first, second = diagnose(facts(import_errors=errors))
    assert first.problem.startswith('mmdet.models does not import')
    assert 'pip install shapely' in first.remedy
    assert 'crashed (exit code -11)' in second.problem
    assert 'import convmae_mm' in second.remedy


def test_without_packaging(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in list(sys.modules):
        if name.partition('.')[0] == 'packaging':
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'packaging', None)
    finding = only(diagnose(facts(ORIGINAL)))
    assert finding.remedy == 'pip install packaging'
