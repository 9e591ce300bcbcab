"""The walk-throughs of docs/own_data, run as they stand on tiny data.

A Python block that begins with a file name in a comment becomes that file;
the lines of a bash block are commands. Only the workers of the data loaders
and the number of epochs kept from the logs differ.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_sets import write_coco, write_pictures
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.own_data import configs, recipe, trainings

PAGES = Path(__file__).parents[2] / 'docs' / 'own_data'
BLOCK = re.compile(r'^```(bash|python)\n(.*?)^```', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'# (\S+\.py)\n')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

RNG = np.random.default_rng


def save_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG(seed).integers(0, 255, (40, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def save_labels(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = RNG(seed).integers(0, 3, (40, 64), dtype=np.uint8)
    labels[:3] = 255
    Image.fromarray(labels).save(path)


def make_overview(root: Path) -> None:
    write_coco(root / 'my_set')
    write_pictures(root / 'my_pictures')
    write_pictures(root / 'new_pictures', 2)


def make_multi_channel(root: Path) -> None:
    scale = np.array([1, 10, 100, 1000, 10000])
    for split in ('train', 'val'):
        folder = root / 'my_bands' / 'images' / split
        folder.mkdir(parents=True)
        for index in range(4):
            bands = RNG(index).random((40, 64, 5)) * scale
            np.save(folder / f'{index}.npy', bands.astype(np.float32))
            save_labels(root / f'my_bands/labels/{split}/{index}.png', index)


DATA: dict[str, Callable[[Path], None]] = {
    'README': make_overview,
    'multi_channel': make_multi_channel,
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of two steps where the data would suggest thousands."""
    length = recipe.Length(2, 'for a test')
    monkeypatch.setattr(configs, 'find_length', lambda *_: length)
    monkeypatch.setattr(trainings.Trainings, '_iters', lambda *_: 2)


def without_workers(command: list[str], config: Path) -> list[str]:
    """Processes for four pictures would cost more than the training."""
    text = config.read_text()
    loaders = [x for x in LOADERS if x in text or x == 'train_dataloader']
    options = [
        f'{loader}.{setting}'
        for loader in loaders
        for setting in ('num_workers=0', 'persistent_workers=False')
    ]
    return [*command, '--cfg-options', *options]


def test_every_page_is_here():
    assert {x.stem for x in PAGES.glob('*.md')} == set(DATA)


@pytest.mark.slow
@pytest.mark.parametrize('page', DATA)
def test_a_walk_through_works(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    DATA[page](tmp_path)
    blocks = BLOCK.findall((PAGES / f'{page}.md').read_text())
    assert blocks
    printed = ''
    for kind, block in blocks:
        if kind == 'python':
            name = FILE.match(block)
            assert name is not None, f'no file name above: {block[:60]}'
            (tmp_path / name[1]).write_text(block)
            continue
        for line in block.splitlines():
            program, *command = shlex.split(line)
            assert program == 'convmae-mm'
            if command[0] in ('train', 'test'):
                command = without_workers(command, tmp_path / command[1])
            code = main(command)
            output = capsys.readouterr()
            printed += output.out
            assert code == 0, f'{line}\n{output.out}\n{output.err}'
    check_result(page, tmp_path, printed)


def check_result(page: str, root: Path, printed: str) -> None:
    """What each page promises."""
    if page == 'README':
        for made in (root / 'work_dirs/run/run.json', root / 'predictions'):
            assert made.exists()
        assert (root / 'my_predictions/predictions.json').is_file()
        return
    assert 'data_preprocessor = dict(' in printed
    assert (root / 'work_dirs/my_encoder/epoch_20.pth').is_file()
    assert "'convmae_mm.LoadMultiChannelImage', in_channels=5" in printed
    scores = json.loads((root / 'scores.json').read_text())
    assert scores['mIoU'] >= 0
