"""Command lines of any words, and label maps of any bytes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing import cases
from PIL import Image

from convmae_mm.cli import COMMANDS, main
from convmae_mm.data_check.label_maps import read_label_map

SECONDS = 20  # for one command; a pipe would be waited for without end
VALUES = [
    *('', ' ', '-1', '0', '1', '3', 'x', '1e9', 'nan', '1' * 50, '64x', '{'),
    *('64', '32x64', 'model=1', 'model.a.b=[', 'a=(', 'train_cfg.x', 'ä', '*'),
    *('none.pth', 'folder', 'empty.pth', 'text.txt', 'pipe', 'pipe.png'),
    *('text.py', 'broken.py', 'list.json', 'picture.png', 'cut.png'),
    *(
        'weights.pth',
        'mixed',
        'mixed/*',
        'coco.json',
        'pipe.py',
        'pipe.json',
        'pipe.pth',
        '/dev/',
    ),
    *('s3://x/y', 'folder/../folder', '/proc/self/mem', '~nobody', '%(x)s'),
]
# They would do something with few words: a word that no command knows.
LONG = {'demo': '--typo', 'digit-scenes': '--typo', 'doctor': '--typo'}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'mixed' / 'a').mkdir(parents=True)
    for name in (
        'mixed/a/pipe.png',
        'mixed/pipe.json',
        'pipe',
        'pipe.png',
        'pipe.py',
        'pipe.json',
        'pipe.pth',
    ):
        os.mkfifo(tmp_path / name)
    Path('empty.pth').touch()
    Path('text.txt').write_text('a\nb\n')
    Path('text.py').write_text('model = dict(type="Nope")\n')
    Path('broken.py').write_text('model = dict(\n')
    Path('list.json').write_text('[1]')
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save('picture.png')
    Path('mixed/a/1.png').write_bytes(Path('picture.png').read_bytes())
    images = [dict(id=1, file_name='a/pipe.png', width=8, height=8)]
    box = dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 4, 4], area=16)
    coco = dict(
        images=images, annotations=[box], categories=[dict(id=1, name='x')]
    )
    Path('coco.json').write_text(json.dumps(coco))
    Path('cut.png').write_bytes(Path('picture.png').read_bytes()[:40])
    torch.save({'model': {'x': torch.ones(1)}}, 'weights.pth')
    return tmp_path


def actions_of(command: str) -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    name = COMMANDS[command][0]
    importlib.import_module(f'convmae_mm.cli.{name}').configure(parser)
    return parser._actions


def draw_words(action: argparse.Action, draw: random.Random) -> list[str]:
    """An option with its values, or a positional; some do not fit."""
    words = list(action.option_strings[-1:])
    if action.nargs == 0:
        return words
    for _ in range(draw.choice([1, 1, 2, 3]) if action.nargs else 1):
        if action.choices and draw.random() < 0.9:
            words.append(str(draw.choice(list(action.choices))))
        elif action.type is int and draw.random() < 0.7:
            words.append(draw.choice(['1', '2', '64']))
        else:
            words.append(draw.choice(VALUES))
    return words


def draw_line(draw: random.Random) -> list[str]:
    command = draw.choice(list(COMMANDS))
    line = command.split()
    for action in actions_of(command):
        needed = action.required or not action.option_strings
        if draw.random() < (0.97 if needed else 0.12):
            line += draw_words(action, draw)
    return [*line, *filter(None, [LONG.get(command)])]


def too_long(*_: object) -> None:
    raise TimeoutError(f'more than {SECONDS} seconds')


@pytest.mark.slow
def test_command_lines_end_in_one_line(folder, capsys):
    before = signal.signal(signal.SIGALRM, too_long)
    try:
        for draw in cases(400):
            line = draw_line(draw)
            what = f'case {draw.number}: {line}'
            signal.alarm(SECONDS)
            try:
                code = main(line)
            except SystemExit as error:
                code = error.code
            finally:
                signal.alarm(0)
            told = capsys.readouterr().err
            assert code in (0, 1, 2), what
            assert 'Traceback' not in told, what
            assert '(unexpected;' not in told, f'{what}: {told}'
            assert 'more than' not in told, f'{what}: {told}'
    finally:
        signal.signal(signal.SIGALRM, before)


def test_label_maps_of_any_bytes(tmp_path):
    path = tmp_path / 'map.png'
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    image.save(path)
    content = path.read_bytes()
    unread = 0
    for draw in cases(2000):
        damaged = bytearray(content)
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(damaged))
            if draw.random() < 0.2:
                del damaged[place:]
                damaged.append(0)
            else:
                damaged[place] = draw.randrange(256)
        path.write_bytes(damaged)
        found = read_label_map(path)
        assert bool(found.problem) != bool(found.values)
        unread += bool(found.problem)
    assert unread
