"""Whatever a user hands to a command, wrong input is told in a line or two.

Every command of the table is run with wrong files for each of its arguments,
with wrong values for each of its options, and in several processes.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from sessions import free_port

from convmae_mm import cli

ROOT = Path(__file__).resolve().parents[2]

# A config to train and to test, of one convolution.
CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='convmae_mm.ConvMAE',
        arch=dict(embed_dims=[8, 8, 8], depths=[1, 1, 1], num_heads=1),
        img_size=32,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=8),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root='{root}/pictures',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
test_dataloader = train_dataloader
test_evaluator = dict(type='Accuracy')
test_cfg = dict()
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
"""

# What is right for an argument, by its name; of an option, those that read.
RIGHT = {
    'config': 'config.py',
    'checkpoint': 'weights.pth',
    'file': 'weights.pth',
    'path': 'pictures',
    'model': 'weights.pth',
    'sources': 'pictures',
    'kind': 'yolo',
    'labels': 'pictures',
    'annotations': 'pictures',
}
READING = ('resume', 'ann_file')
# Options that another needs to act, and those that keep a command short.
COMPANY = {'ann_file': ('--images', 'pictures')}
# Folders are right for these.
TAKES_FOLDERS = ('path',)


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of one command, with its arguments."""
    import importlib

    parser = argparse.ArgumentParser()
    file = cli.COMMANDS[command][0]
    importlib.import_module(f'convmae_mm.cli.{file}').configure(parser)
    return parser


def positionals(command: str) -> list[str]:
    actions = parser_of(command)._actions
    return [x.dest for x in actions if not x.option_strings]


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is right, and in ``wrong`` what is not."""
    root = tmp_path_factory.mktemp('border')
    for name in ('a', 'b'):
        folder = root / 'pictures' / name
        folder.mkdir(parents=True)
        Image.new('RGB', (32, 32)).save(folder / '0.png')
    (root / 'config.py').write_text(CONFIG.replace('{root}', str(root)))
    torch.save({'state_dict': {'w': torch.ones(9)}}, root / 'weights.pth')

    wrong = root / 'wrong'
    wrong.mkdir()
    content = (root / 'weights.pth').read_bytes()
    for suffix in ('.py', '.pth', '.json', '.safetensors'):
        (wrong / f'empty{suffix}').touch()
        (wrong / f'truncated{suffix}').write_bytes(content[:600])
    torch.save({'conv1.weight': torch.ones(4, 3, 7, 7)}, wrong / 'other.pth')
    torch.save([1, 2], wrong / 'list.pth')
    Image.new('RGB', (32, 32)).save(wrong / 'picture.pth', 'PNG')
    (wrong / 'text.json').write_text('{"images": 3}')
    (wrong / 'folder').mkdir()
    for name, text in {
        'typing': 'model = dict(',
        'name': 'model = backbone',
        'base': "_base_ = 'nowhere.py'",
        'module': 'import nowhere',
        'nothing': 'lr = 1',
    }.items():
        (wrong / f'{name}.py').write_text(f'{text}\n')
    return root


@pytest.fixture
def call(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[object]:
    """Runs a command; returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    # A logger of mmengine keeps the stream of the test that it began in.
    monkeypatch.setattr(logging, 'raiseExceptions', False)

    def call(*arguments: object) -> tuple[int | str | None, str]:
        try:
            code: int | str | None = cli.main([str(x) for x in arguments])
        except SystemExit as error:
            code = error.code
        printed = capsys.readouterr()
        assert 'Traceback' not in printed.out + printed.err
        return code, printed.err.strip()

    return call


def arguments(command: str, root: Path) -> dict[str, Path]:
    """Right arguments for a command."""
    return {name: root / RIGHT[name] for name in positionals(command)}


WITH_FILES = [
    (command, name)
    for command in cli.COMMANDS
    for name in positionals(command)
]


@pytest.mark.parametrize(('command', 'name'), WITH_FILES)
def test_a_wrong_file_is_told(call, root, command, name):
    files = sorted((root / 'wrong').iterdir())
    if name in TAKES_FOLDERS:
        files.remove(root / 'wrong' / 'folder')
    for file in [root / 'missing.pth', root / 'missing.py', *files]:
        given = arguments(command, root) | {name: file}
        code, said = call(*command.split(), *given.values())
        assert code == 1, (file.name, said)
        assert 1 <= len(said.splitlines()) <= 3, (file.name, said)
        assert said.startswith(f'convmae-mm {command}: '), said
        assert '(unexpected; ' not in said, said


@pytest.mark.parametrize('command', cli.COMMANDS)
def test_a_wrong_file_for_an_option_is_told(call, root, command):
    options = [x for x in parser_of(command)._actions if x.dest in READING]
    for option in options:
        for file in sorted((root / 'wrong').iterdir()):
            code, said = call(
                *(*command.split(), *arguments(command, root).values()),
                *(option.option_strings[0], file),
                *COMPANY.get(option.dest, ()),
            )
            assert code == 1, (option.dest, file.name, said)
            assert len(said.splitlines()) <= 3, (file.name, said)
            assert '(unexpected; ' not in said, said


@pytest.mark.parametrize('command', cli.COMMANDS)
def test_an_unknown_value_of_an_option_is_told(call, root, command):
    given = arguments(command, root).values()
    tried = 0
    for option in parser_of(command)._actions:
        if option.choices or option.type in (int, float):
            name = option.option_strings[0]
            code, said = call(*command.split(), *given, name, 'nonsense')
            assert (code, len(said.splitlines())) == (2, 1), said
            assert name in said
            assert 'nonsense' in said
            tried += 1
    code, said = call(*command.split(), *given, '--no-such-option')
    assert (code, len(said.splitlines())) == (2, 1), said
    assert '--no-such-option' in said


@pytest.mark.parametrize(
    ('override', 'told'),
    [
        ('model.type=Nope', 'Nope is not in the mmpretrain::model registry'),
        ('model.nope=1', "unexpected keyword argument 'nope'"),
        ('model.backbone.arch=nope', "unknown arch='nope'"),
        ('model=3', 'model=3 must be a dict'),
        ('train_dataloader=3', 'train_dataloader=3 must be a dict'),
        ('optim_wrapper.optimizer.type=Nope', 'no optimizer that is known'),
        ('train_cfg.max_epochs=many', "'many'"),
        ('train_dataloader.batch_size=many', "batch_size='many'"),
        ('train_dataloader.dataset.data_root=/nope', '/nope'),
        ('nope.x=1', 'nothing reads'),
        ('train_dataloader.dataset.pipeline.9.type=A', 'Index 9'),
    ],
)
def test_a_wrong_setting_is_told(call, root, override, told):
    code, said = call(
        *('train', root / 'config.py', '--cfg-options', override)
    )
    assert code == 1
    assert len(said.splitlines()) == 1
    assert told in said
    assert '(unexpected; ' not in said


def test_the_log_of_a_run_has_the_traceback(call, root, tmp_path):
    code, _ = call(
        *('train', root / 'config.py', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', 'optim_wrapper.optimizer.lr=fast'),
        f'experiment_name={tmp_path.name}',
    )
    assert code == 1
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert 'Traceback (most recent call last)' in log.read_text()


def torchrun(
    script: str, *arguments: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc-per-node=2', f'--master-port={free_port()}'),
            *(ROOT / 'tools' / script, *map(str, arguments)),
            *('--launcher', 'pytorch'),
        ],
        env=dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize('late', [False, True])
def test_one_of_several_processes_tells_an_error(root, tmp_path, late):
    """Before they know each other, and after."""
    wrong = 'optim_wrapper.optimizer.lr=fast' if late else 'nope=1'
    done = torchrun(
        *('train.py', root / 'config.py', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', wrong),
    )
    assert done.returncode == 1
    assert done.stderr.count('convmae-mm train: ') == 1
    assert 'exitcode  : 1 ' in done.stderr
    ours = done.stderr.partition('convmae-mm train: ')[2]
    assert ours.splitlines()[0].strip()


@pytest.mark.slow
def test_the_scripts_tell_errors_as_the_commands_do(root, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, ROOT / 'tools' / 'test.py', root / 'config.py'),
            *(root / 'wrong' / 'other.pth', '--work-dir', tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    assert 'does not fit' in done.stderr.strip().splitlines()[-1]
