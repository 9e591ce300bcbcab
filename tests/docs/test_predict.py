"""The snippets of docs/predict.md, run as they stand."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from convmae_mm.cli import main

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / 'docs' / 'predict.md'
BLOCK = re.compile(r'^```(bash|python)\n(.*?)^```', re.MULTILINE | re.DOTALL)


def test_the_snippets_run(
    trained: Callable[[str], Path],
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained('masks'), 'work_dirs/my_detector')
    shutil.copytree(trained('pretraining'), 'work_dirs/my_encoder')
    files = sorted((scenes / 'images' / 'val').glob('*.jpg'))
    Path('new_pictures').mkdir()
    for number, file in enumerate(files[:3], start=1):
        shutil.copy(file, f'new_pictures/{number}.jpg')
    names: dict = {}
    for kind, block in BLOCK.findall(PAGE.read_text()):
        if kind == 'python':
            exec(block, names)
            continue
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert program == 'convmae-mm'
            assert main(words) == 0
    content = json.loads(Path('predictions/predictions.json').read_text())
    assert [x['file_name'] for x in content['images']] == [
        '1.jpg',
        '2.jpg',
        '3.jpg',
    ]
    assert Path('work_dirs/my_detector/report.html').is_file()
    assert names['e3'].shape == (128, 8, 8)
