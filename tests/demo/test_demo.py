"""The whole demo with tiny counts, killed once in the middle of a step."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convmae_mm.demo.process import ENTRY_POINT
from convmae_mm.demo.steps import TRAININGS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def _demo(folder, **options):
    return subprocess.Popen(
        [
            sys.executable,
            '-c',
            ENTRY_POINT,
            'demo',
            '--fast',
            '--work-dir',
            'demo',
        ],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        text=True,
        **options,
    )


def _started_at(folder):
    """When each file of a finished step was written last."""
    return {
        file: file.stat().st_mtime_ns
        for file in (folder / 'demo' / 'pretrain').rglob('*.pth')
    }


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """The folder of a demo that was killed while it trained the detector."""
    folder = tmp_path_factory.mktemp('project')
    first = _demo(folder, stdout=subprocess.DEVNULL)
    pointer = folder / 'demo' / 'detector' / 'last_checkpoint'
    end = time.monotonic() + 240
    while not pointer.is_file():
        assert first.poll() is None, 'the demo ended before the detector'
        assert time.monotonic() < end, 'no checkpoint of the detector'
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (folder / 'demo' / 'steps' / 'detector.json').exists()
    before = _started_at(folder)

    second = _demo(folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    assert '[2/7] Pretrain the encoder without labels: done before' in output
    assert '(resumed)' in output
    assert _started_at(folder) == before
    return folder / 'demo'


def test_every_step_is_on_record(demo):
    for name in ('data', *(t.name for t in TRAININGS), 'report'):
        record = json.loads((demo / 'steps' / f'{name}.json').read_text())
        attempts = len(record['spans'])
        assert all(end > start for start, end in record['spans'])
        assert attempts >= (2 if name == 'detector' else 1)
    assert not list((demo / 'steps').glob('*.unfinished.json'))


def test_the_killed_training_went_on(demo):
    log = (demo / 'logs' / 'detector.log').read_text()
    assert re.search(r'resumed? epoch: [12]', log, re.IGNORECASE)


def test_page_is_whole_and_stands_alone(demo):
    html = (demo / 'report.html').read_text()
    sources = re.findall(r'(?:src|srcset)="([^"]*)"', html)
    # Two themes of the curves; 4 scenes in 4, 3 and 4 columns.
    assert len(sources) == 2 + 4 * (4 + 3 + 4)
    assert all(source.startswith('data:image/') for source in sources)
    assert 'http' not in re.sub(r'data:[^"]*', '', html)
    assert 'prefers-color-scheme: dark' in html
    _check_content(demo, html)


def test_markdown_shows_the_same(demo):
    markdown = (demo / 'report.md').read_text()
    images = re.findall(r'!\[[^]]*\]\(([^)]*)\)', markdown)
    assert len(images) == 1 + 4 * (4 + 3 + 4)
    assert all((demo / image).is_file() for image in images)
    _check_content(demo, markdown)


def _check_content(demo, text):
    for word in ('box AP', 'mask AP', 'mIoU', 'pixel accuracy', 'torch'):
        assert word in text
    for title in ('Scores', 'Time', 'Machine', 'Losses', 'Reconstructions'):
        assert title in text
    for training in TRAININGS:
        assert training.title in text
    assert 'these scores mean nothing' in text
    assert '(started 2 times)' in text
    assert 'init_cfg=None' in text
    assert 'my_detector.py' in text
    from convmae_mm.report.scalars import read_scores

    for name, key, scale in (
        ('detector', 'coco/segm_mAP', 1),
        ('segmentor', 'mIoU', 100),
        ('segmentor_scratch', 'aAcc', 100),
    ):
        assert f'{read_scores(demo / name, 2)[key] / scale:.3f}' in text


def test_nothing_is_done_twice(demo):
    before = (demo / 'report.html').stat().st_mtime_ns
    again = _demo(demo.parent, stdout=subprocess.PIPE)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert output.count('done before') == 7
    assert (demo / 'report.html').stat().st_mtime_ns == before


def test_inferencers_take_a_picture_file(demo):
    picture = next((demo / 'data/digit_scenes/images/val').glob('*.jpg'))
    configs = {t.name: t.config for t in TRAININGS}
    # Their own process each time, as a user would: the libraries' registries
    # keep the scope that came first.
    # An installed convmae_mm lends mmcv its ops without being imported.
    lend_ops = 'import convmae_mm\n'
    scripts = {
        'detector': 'from mmdet.apis import DetInferencer as Inferencer\n'
        'options = dict(no_save_pred=False)\n',
        'segmentor': 'from mmseg.apis import MMSegInferencer as Inferencer\n'
        'options = dict()\n',
    }
    for name, script in scripts.items():
        folder = demo / name
        script = (
            lend_ops
            + script
            + (
                'import sys\n'
                'config, weights, picture, out = sys.argv[1:]\n'
                'inferencer = Inferencer(config, weights, device="cpu")\n'
                'result = inferencer(picture, out_dir=out, **options)\n'
                'print(sorted(result))\n'
            )
        )
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                script,
                str(folder / configs[name]),
                str(folder / 'epoch_2.pth'),
                str(picture),
                str(folder / 'inferred'),
            ],
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            cwd=demo,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "'predictions'" in done.stdout
        assert list((folder / 'inferred').rglob(f'{picture.stem}*'))
