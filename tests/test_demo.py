"""The whole demo with tiny counts, killed once in the middle of a step."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convmae_mm.own_data.process import ENTRY_POINT

ROOT = Path(__file__).resolve().parents[1]
TRAININGS = (
    'encoder',
    *('detector', 'detector_scratch'),
    *('segmentor', 'segmentor_scratch'),
)
pytestmark = pytest.mark.slow


def start_demo(folder: Path, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, '-c', ENTRY_POINT),
            *('demo', '--fast', '--work-dir', 'demo'),
        ],
        cwd=folder,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        text=True,
        **options,
    )


def encoder_files(folder: Path) -> dict[Path, int]:
    files = (folder / 'demo' / 'encoder').rglob('*.pth')
    return {file: file.stat().st_mtime_ns for file in files}


@pytest.fixture(scope='module')
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that was killed while it trained the detector."""
    folder = tmp_path_factory.mktemp('project')
    first = start_demo(folder, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 900
    while not list((folder / 'demo' / 'detector').glob('iter_*.pth')):
        assert first.poll() is None, 'the demo ended before the detector'
        assert time.monotonic() < end, 'no checkpoint of the detector'
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = encoder_files(folder)

    second = start_demo(
        folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = second.communicate(timeout=900)
    assert second.returncode == 0, output
    assert 'train demo/encoder.py' not in output
    assert encoder_files(folder) == before
    return folder / 'demo'


def test_every_step_is_on_record(demo: Path) -> None:
    content = json.loads((demo / 'run.json').read_text('utf-8'))
    assert content['trainings'] == list(TRAININGS)
    for name in TRAININGS:
        assert 'unfinished' not in content['steps'][name]
        assert (demo / f'{name}.py').is_file()
        assert (demo / 'logs' / f'{name}.log').is_file()
    assert 'coco/segm_mAP' in content['steps']['detector scores']['scores']
    assert 'mIoU' in content['steps']['segmentor_scratch scores']['scores']


def test_the_killed_training_went_on(demo: Path) -> None:
    log = (demo / 'logs' / 'detector.log').read_text('utf-8')
    assert re.search(r'resumed? .*iter: [12]', log, re.IGNORECASE)


def test_one_page_tells_of_all_trainings(demo: Path) -> None:
    html = (demo / 'report.html').read_text('utf-8')
    sources = re.findall(r'(?:src|srcset)="([^"]*)"', html)
    assert len(sources) > 30
    assert all(source.startswith('data:image/') for source in sources)
    markdown = (demo / 'report.md').read_text('utf-8')
    images = re.findall(r'!\[[^]]*\]\(([^)]*)\)', markdown)
    assert all((demo / image).is_file() for image in images)
    for text in (html, markdown):
        for word in (*TRAININGS, 'box AP', 'mask AP', 'mean IoU', 'Masked'):
            assert word in text


def test_nothing_is_done_twice(demo: Path) -> None:
    before = (demo / 'report.html').stat().st_mtime_ns
    again = start_demo(demo.parent, stdout=subprocess.PIPE)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0
    assert '$ convmae-mm train' not in output
    assert 'Next: convmae-mm predict demo/detector' in output
    assert (demo / 'report.html').stat().st_mtime_ns == before


# A process of its own each time, as a user would: the libraries' registries
# keep the scope that came first. An installed convmae_mm lends mmcv its ops
# without being imported.
INFER = """
import convmae_mm, sys
from {module} import {inferencer} as Inferencer
config, weights, picture, out = sys.argv[1:]
inferencer = Inferencer(config, weights, device='cpu')
result = inferencer(picture, out_dir=out, {options})
assert 'predictions' in result
"""


@pytest.mark.parametrize(
    ('name', 'module', 'inferencer', 'options'),
    [
        ('detector', 'mmdet.apis', 'DetInferencer', 'no_save_pred=False'),
        ('segmentor', 'mmseg.apis', 'MMSegInferencer', ''),
    ],
)
def test_inferencers_take_a_flat_config(
    name: str, module: str, inferencer: str, options: str, demo: Path
) -> None:
    picture = next((demo / 'data/digit_scenes/images/val').glob('*.jpg'))
    script = INFER.format(
        module=module, inferencer=inferencer, options=options
    )
    out = demo / name / 'inferred'
    done = subprocess.run(
        [
            *(sys.executable, '-c', script, f'{demo.name}/{name}.py'),
            *(str(demo / name / 'iter_2.pth'), str(picture), str(out)),
        ],
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        cwd=demo.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(out.rglob(f'{picture.stem}*'))
