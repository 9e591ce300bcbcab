"""``convmae-mm run``: one command from pictures to a scored network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config
from own_sets import write_coco, write_pictures
from rich.console import Console

from convmae_mm.cli import main
from convmae_mm.errors import ConfigError
from convmae_mm.own_data.board import Board
from convmae_mm.own_data.configs import Wishes
from convmae_mm.own_data.data import Boxes, Pictures
from convmae_mm.own_data.machine import Machine
from convmae_mm.own_data.new import write_config
from convmae_mm.own_data.order import Run
from convmae_mm.own_data.record import RunFile
from convmae_mm.own_data.trainings import Trainings


@pytest.fixture(scope='module')
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, list[str]]:
    """The folder of a run, and the command that made it."""
    folder = tmp_path_factory.mktemp('run')
    coco, images = write_coco(folder / 'set')
    command = ['run', '--pictures', images, '--coco', coco]
    command += ['--images', images, '--img-size', 64, '--compare-scratch']
    work_dir = folder / 'work'
    command += ['--work-dir', work_dir]
    words = [str(x) for x in command]
    with pytest.MonkeyPatch.context() as patch:
        # two steps, whatever the data suggest
        patch.setattr(Trainings, '_iters', lambda *_: 2)
        assert main(words) == 0
    return work_dir, words


@pytest.mark.slow
def test_run_says_what_to_predict_with(
    finished: tuple[Path, list[str]],
) -> None:
    work_dir, _ = finished
    content = json.loads((work_dir / 'run.json').read_text('utf-8'))
    assert content['task'] == 'detector'
    assert (work_dir / content['config']).is_file()
    best = work_dir / content['checkpoint']
    assert best.is_file()
    assert best.name.startswith('best_')
    assert 'coco/bbox_mAP' in content['scores']


@pytest.mark.slow
def test_detector_starts_from_the_encoder(
    finished: tuple[Path, list[str]],
) -> None:
    work_dir, _ = finished
    text = (work_dir / 'detector.py').read_text('utf-8')
    assert str(work_dir / 'encoder' / 'iter_2.pth') in text
    log = (work_dir / 'logs' / 'detector.log').read_text('utf-8')
    assert 'Weights of' in log
    scratch = Config.fromfile(work_dir / 'detector_scratch.py')
    assert scratch.model.backbone.init_cfg is None
    steps = json.loads((work_dir / 'run.json').read_text('utf-8'))['steps']
    assert 'coco/bbox_mAP' in steps['detector_scratch scores']['scores']


@pytest.mark.slow
def test_run_ends_with_a_report_on_all_its_trainings(
    finished: tuple[Path, list[str]],
) -> None:
    work_dir, _ = finished
    for file in ('report.html', 'report.md'):
        text = (work_dir / file).read_text('utf-8')
        for words in ('encoder', 'detector_scratch', 'Reconstructed'):
            assert words in text
        assert text.count('<td>box AP</td>' if 'html' in file else '| box') > 1


@pytest.mark.slow
def test_what_is_done_is_not_done_again(
    finished: tuple[Path, list[str]], capsys: pytest.CaptureFixture
) -> None:
    work_dir, words = finished
    before = (work_dir / 'run.json').read_text('utf-8')
    capsys.readouterr()
    assert main(words) == 0
    assert '$ convmae-mm' not in capsys.readouterr().out
    assert (work_dir / 'run.json').read_text('utf-8') == before


def test_a_config_that_a_kill_left_behind_is_written_anew(
    tmp_path: Path,
) -> None:
    order = Run(
        tasks=(Boxes(*write_coco(tmp_path)),),
        pictures=None,
        work_dir=tmp_path,
        wishes=Wishes(iters=20),
    )
    config = tmp_path / f'{order.arms[0]}.py'
    config.write_text('of another = length')
    trainings(order, tmp_path)._write(order.arms[0])
    assert Config.fromfile(config).train_cfg.max_iters == 20


def test_a_report_is_of_all_that_is_trained_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as when the other start is asked for later."""
    order = Run(
        tasks=(Boxes(*write_coco(tmp_path)),),
        pictures=None,
        work_dir=tmp_path,
        wishes=Wishes(iters=20),
    )
    done: list[str] = []
    for name in ('_write', '_train_and_score'):
        monkeypatch.setattr(Trainings, name, lambda *_: None)
    monkeypatch.setattr(
        Trainings, '_command', lambda self, name, *_: done.append(name)
    )
    run = trainings(order, tmp_path)
    run.run()
    run.run()
    assert done == ['report']
    run.record.update(trainings=['another'])
    run.run()
    assert done == ['report', 'report']


@pytest.mark.slow
def test_other_options_want_another_folder(
    finished: tuple[Path, list[str]], capsys: pytest.CaptureFixture
) -> None:
    _, words = finished
    assert main([*words, '--seed', '3']) == 1
    assert '--work-dir' in capsys.readouterr().err


def broken(what: str, folder: Path) -> list[str]:
    """Options with one fault."""
    coco, images = write_coco(folder / 'set')
    pictures = images
    if what == 'path':
        coco = folder / 'no.json'
    elif what == 'empty':
        pictures = folder / 'empty'
        pictures.mkdir()
    elif what == 'no pictures':
        images = folder / 'elsewhere'
        write_pictures(images, 1)
    options = ['--pictures', pictures, '--coco', coco, '--images', images]
    if what == 'no labels':
        del options[2:4]
    return [str(x) for x in options]


@pytest.mark.parametrize(
    ('what', 'said'),
    [
        ('path', 'no.json'),
        ('empty', 'no picture'),
        ('no pictures', '5 of 6 pictures'),
        ('no labels', '--labels DIR'),
    ],
)
def test_faults_stop_before_any_training(
    what: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    work_dir = tmp_path / 'work'
    options = broken(what, tmp_path)
    assert main(['run', *options, '--work-dir', str(work_dir)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
    assert not work_dir.exists()


def trainings(
    order: Run, folder: Path, cores: int = 1, spent: float = 0.0
) -> Trainings:
    """Nothing of it is done, and so many seconds are spent."""
    record = RunFile(folder)
    record._before = spent
    machine = Machine(cores=cores, gpus=0, amp='')
    return Trainings(order, record, machine, Board(Console(quiet=True)))


def order_boxes(folder: Path, minutes: float | None) -> Run:
    """An encoder and a detector on pictures that are made there."""
    coco, images = write_coco(folder)
    return Run(
        tasks=(Boxes(coco, images),),
        pictures=Pictures(images),
        work_dir=folder,
        wishes=Wishes(),
        minutes=minutes,
    )


@pytest.mark.parametrize('minutes', [0.0, -1.0, float('nan')])
def test_no_time_is_told_before_anything_is_timed(
    minutes: float, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f'--minutes {minutes:g} must be'):
        order_boxes(tmp_path, minutes).check()


@pytest.mark.parametrize('minutes', [None, 10.0])
def test_lengths_fit_the_time(
    minutes: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU trains as long as the data suggest, or as it is told."""
    order = order_boxes(tmp_path, minutes)
    monkeypatch.setattr(Trainings, '_time', lambda *_: (300, 0.1, 1.0))
    steps = trainings(order, tmp_path)._iters('encoder', order.pictures, None)
    assert steps == (300 if minutes is None else 1200)
    late = trainings(order, tmp_path, spent=490.0)
    steps = late._iters('detector', order.tasks[0], None)
    # 80 of those planned are left, and most go into starting commands
    assert steps == 300 if minutes is None else 120 < steps <= 130


def test_what_looking_at_pictures_takes_is_not_planned_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos of a phone are read for a minute before a step is timed."""
    order = order_boxes(tmp_path, 10.0)
    made = trainings(order, tmp_path, spent=300.0)

    def time(*_: object) -> tuple[int, float, float]:
        made.record._before += 60.0
        return 10**6, 0.1, 1.0

    monkeypatch.setattr(Trainings, '_time', time)
    steps = made._iters('detector', order.tasks[0], None)
    # 570 are planned for, 360 spent, 52 are for commands and scores
    assert 1560 < steps <= 1580


def test_what_is_done_is_not_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may get slower while the encoder is trained."""
    order = order_boxes(tmp_path, 10.0)
    monkeypatch.setattr(Trainings, '_time', lambda *_: (300, 0.5, 1.0))
    late = trainings(order, tmp_path, spent=700.0)
    with pytest.raises(ConfigError, match='10 minutes are too few'):
        late._iters('encoder', order.pictures, None)
    late.record.finish('encoder', checkpoint='encoder/iter_9.pth')
    assert late._iters('detection', order.tasks[0], None) == 240


def test_two_starts_share_the_cores_or_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = replace(
        order_boxes(tmp_path, 10.0), pictures=None, compare_scratch=True
    )
    monkeypatch.setattr(Trainings, '_time', lambda *_: (10**6, 0.1, 0.0))
    lengths = []
    for cores in (1, 2, 8):
        made = trainings(order, tmp_path, cores)
        assert made.jobs == min(cores, 2)
        lengths.append(made._iters('detector', order.tasks[0], None))
    assert lengths[1] == lengths[2] > 1.6 * lengths[0]


@pytest.mark.slow
def test_a_few_steps_are_timed(tmp_path: Path) -> None:
    """Of a training with averaging and validation, both left out."""
    coco, images = write_coco(tmp_path / 'set')
    wishes = Wishes(img_size=64, batch_size=2)
    order = Run((Boxes(coco, images),), None, tmp_path, wishes)
    config = tmp_path / 'timed.py'
    write_config(order.tasks[0], config, wishes)
    made = trainings(order, tmp_path)
    steps, seconds, scored = made._time('detector', config, 1)
    assert steps == Config.fromfile(config).train_cfg.max_iters
    assert 0 < scored < seconds  # one small picture
