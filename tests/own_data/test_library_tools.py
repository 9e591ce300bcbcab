"""The libraries' own tools take the flat configs of ``convmae-mm new``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_sets import write_coco, write_label_maps

from convmae_mm.cli import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def tool(library: str, name: str, folder: Path, *arguments: object) -> str:
    """Run a tool that the library ships; what it prints."""
    spec = importlib.util.find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / '.mim' / 'tools' / name
    done = subprocess.run(
        [sys.executable, str(file), *map(str, arguments)],
        cwd=folder,
        env=os.environ
        | {'PYTHONPATH': str(ROOT), 'MPLBACKEND': 'agg', 'DISPLAY': ''},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def maintained() -> bool:
    """Whether the maintained OpenMMLab packages are installed."""
    names = {x.name for x in importlib.metadata.distributions()}
    return 'onedl-mmengine' in names


@pytest.fixture(scope='module', params=['detector', 'segmentor'])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Library and folder: config.py, two steps of it, predictions."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == 'detector':
        coco, images = write_coco(folder)
        options = ['--coco', coco, '--images', images]
    else:
        images, labels = write_label_maps(folder)
        options = ['--images', images, '--labels', labels]
        options += ['--ignore-label', 11]
    config, work_dir = folder / 'config.py', folder / 'work'
    short = ['--iters', 2, '--batch-size', 2, '--img-size', 64]
    commands = [
        ['new', request.param, *options, *short, '--out', config],
        ['train', config, '--work-dir', work_dir],
        ['test', config, work_dir / 'iter_2.pth', '--work-dir', work_dir],
    ]
    if request.param == 'detector':
        commands[-1] += ['--out', folder / 'predictions.pkl']
    for command in commands:
        assert main([str(word) for word in command]) == 0
    return {'detector': 'mmdet', 'segmentor': 'mmseg'}[request.param], folder


def test_print_config(trained: tuple[str, Path]) -> None:
    library, folder = trained
    printed = tool(library, 'misc/print_config.py', folder, 'config.py')
    assert "type='convmae_mm.ConvMAE'" in printed


def test_browse_dataset(trained: tuple[str, Path]) -> None:
    library, folder = trained
    if library == 'mmseg' and not maintained():
        pytest.skip('the frozen mmseg hands OpenCV a view that it refuses')
    tool(
        library,
        'analysis_tools/browse_dataset.py',
        folder,
        'config.py',
        *('--output-dir', folder / 'browsed', '--not-show'),
    )
    assert len(list((folder / 'browsed').rglob('*.png'))) >= 4


def test_confusion_matrix(trained: tuple[str, Path]) -> None:
    library, folder = trained
    if library != 'mmdet':
        pytest.skip('mmseg takes classes that a data set has in its code')
    tool(
        library,
        'analysis_tools/confusion_matrix.py',
        folder,
        *('config.py', 'predictions.pkl', folder / 'confusion'),
    )
    assert (folder / 'confusion' / 'confusion_matrix.png').is_file()


def test_analyze_results(trained: tuple[str, Path]) -> None:
    library, folder = trained
    if library != 'mmdet':
        pytest.skip('mmseg has no such tool')
    tool(
        library,
        'analysis_tools/analyze_results.py',
        folder,
        *('config.py', 'predictions.pkl', folder / 'analysed'),
        *('--topk', 1),
    )
    assert list((folder / 'analysed').rglob('*.png'))
