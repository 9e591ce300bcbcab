import fcntl
import threading

import pytest
from mmengine.config import Config

from convmae_mm.demo import pipeline as pipeline_module
from convmae_mm.demo.pipeline import Pipeline
from convmae_mm.demo.process import CommandFailedError, StoppedError
from convmae_mm.demo.records import RECORDS, Records, write_json
from convmae_mm.demo.settings import FAST, DemoSettings
from convmae_mm.demo.steps import TRAININGS, Step, build_steps
from convmae_mm.demo.summary import Plan, covered_seconds
from convmae_mm.errors import UserError


class _Board:
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def start(self, title):
        self.notes.append(title)

    def progress(self, title, progress):
        pass

    def stop(self, title):
        pass


class _Commands:
    """Stands in for the child processes; each call is remembered."""

    def __init__(self):
        self.calls = []
        self.fail_at = None
        self.write_scores = True

    def __call__(
        self,
        arguments,
        folder,
        log_file,
        on_progress,
        on_tick,
        stop,
        threads,
    ):
        self.threads = threads
        self.calls.append(list(arguments))
        log_file.parent.mkdir(exist_ok=True)
        on_tick()
        name = arguments[0]
        if name == 'train':
            work_dir = folder / arguments[3]
            work_dir.mkdir(exist_ok=True)
            (work_dir / 'epoch_1.pth').touch()
            # As mmengine does: the path as seen by the process.
            (work_dir / 'last_checkpoint').write_text(
                f'{arguments[3]}/epoch_1.pth'
            )
        if self.fail_at == name:
            raise CommandFailedError(1, ['Traceback', 'KeyError: 42'])
        if name == 'train' and self.write_scores:
            write_json(folder / arguments[3] / 'scores.json', {'mIoU': 1})
        if name == 'test':
            write_json(folder / arguments[-1], {'mIoU': 2})

    @property
    def names(self):
        return [arguments[0] for arguments in self.calls]


@pytest.fixture
def commands(monkeypatch):
    commands = _Commands()
    monkeypatch.setattr(pipeline_module, 'run_command', commands)
    return commands


def _steps(epochs=1, scenes='10'):
    config = Config(
        {'train_cfg': {'max_epochs': epochs}, 'val_cfg': {}, 'lr': 0.1}
    )
    return [
        Step('data', 'Data', ('digit-scenes', '--train', scenes)),
        Step(
            'model',
            'Model',
            ('train', 'config.py', '--work-dir', 'model', '--seed', '0'),
            folder='model',
            needs=('data',),
            made_from=config.pretty_text,
            config=config,
        ),
        Step('report', 'Report', ('demo',), needs=('data', 'model')),
    ]


def _run(folder, steps, jobs=1):
    board = _Board()
    plan = Plan.of(DemoSettings(), steps, jobs)
    Pipeline(folder, board, jobs).run(plan, steps)
    return board.notes


def test_each_step_runs_once(tmp_path, commands):
    _run(tmp_path, _steps())
    assert commands.names == ['digit-scenes', 'train', 'demo']
    notes = _run(tmp_path, _steps())
    assert commands.names == ['digit-scenes', 'train', 'demo']
    assert all('done before' in note for note in notes)


def test_a_changed_setting_runs_again_what_depends_on_it(tmp_path, commands):
    _run(tmp_path, _steps())
    _run(tmp_path, _steps(epochs=2))
    assert commands.names[3:] == ['train', 'demo']
    assert '--resume' not in commands.calls[3]
    _run(tmp_path, _steps(epochs=2, scenes='20'))
    assert commands.names[5:] == ['digit-scenes', 'train', 'demo']


def test_a_failure_shows_the_log_and_stops(tmp_path, commands):
    commands.fail_at = 'train'
    with pytest.raises(UserError) as failure:
        _run(tmp_path, _steps())
    text = str(failure.value)
    assert "step 'model' failed, exit code 1" in text
    assert 'KeyError: 42' in text
    assert str(tmp_path / 'logs' / 'model.log') in text
    assert commands.names == ['digit-scenes', 'train']


def test_an_interrupted_training_resumes(tmp_path, commands):
    commands.fail_at = 'train'
    with pytest.raises(UserError):
        _run(tmp_path, _steps())
    commands.fail_at = None
    notes = _run(tmp_path, _steps())
    assert commands.names == ['digit-scenes', 'train', 'train', 'demo']
    assert commands.calls[2] == [*commands.calls[1], '--resume']
    assert any('resumed' in note for note in notes)
    record = Records(tmp_path / RECORDS).finished('model')
    assert len(record.spans) == 2


def test_an_interrupted_training_with_other_settings_starts_over(
    tmp_path, commands
):
    commands.fail_at = 'train'
    with pytest.raises(UserError):
        _run(tmp_path, _steps())
    stale = tmp_path / 'model' / 'stale'
    stale.touch()
    commands.fail_at = None
    _run(tmp_path, _steps(epochs=2))
    assert not stale.exists()
    assert '--resume' not in commands.calls[2]


def test_a_pointer_to_a_lost_checkpoint_is_no_resume(tmp_path, commands):
    commands.fail_at = 'train'
    with pytest.raises(UserError):
        _run(tmp_path, _steps())
    (tmp_path / 'model' / 'epoch_1.pth').unlink()
    commands.fail_at = None
    _run(tmp_path, _steps())
    assert '--resume' not in commands.calls[2]


def test_a_training_without_its_last_score_is_tested(tmp_path, commands):
    commands.write_scores = False
    _run(tmp_path, _steps())
    assert commands.names == ['digit-scenes', 'train', 'test', 'demo']
    assert commands.calls[2] == [
        'test',
        'config.py',
        'model/epoch_1.pth',
        '--work-dir',
        'model',
        '--out',
        'model/scores.json',
    ]


def test_two_demos_do_not_share_a_folder(tmp_path, commands):
    with (tmp_path / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match='is in use by process'):
            _run(tmp_path, _steps())
    assert commands.calls == []
    _run(tmp_path, _steps())


def test_the_steps_of_the_demo_name_what_exists():
    steps = build_steps(DemoSettings())
    names = [step.name for step in steps]
    assert names == ['data', *(t.name for t in TRAININGS), 'report']
    for index, step in enumerate(steps):
        assert set(step.needs) <= set(names[:index])
    by_name = {step.name: step for step in steps}
    epochs = by_name['pretrain'].max_epochs
    checkpoint = f'checkpoint=pretrain/epoch_{epochs}.pth'
    for name in ('detector', 'segmentor'):
        assert any(checkpoint in w for w in by_name[name].arguments)
        scratch = by_name[f'{name}_scratch']
        assert 'model.backbone.init_cfg=None' in scratch.arguments
        assert scratch.made_from == by_name[name].made_from


def test_the_default_encoder_is_what_pretraining_leaves():
    """Without any option, a fine-tuning config starts where the other ends."""
    steps = {step.name: step for step in build_steps(DemoSettings())}
    epochs = steps['pretrain'].max_epochs
    for name in ('detector', 'segmentor'):
        init_cfg = steps[name].config.model.backbone.init_cfg
        assert init_cfg.checkpoint == (
            f'work_dirs/convmae-tiny_pretrain_digit-scenes/epoch_{epochs}.pth'
        )


def test_fast_settings_shorten_every_training():
    for step in build_steps(FAST):
        if step.config is not None:
            assert step.max_epochs == FAST.max_epochs
            assert f'train_cfg.max_epochs={FAST.max_epochs}' in step.arguments


@pytest.mark.parametrize(
    'wrong',
    [{'train_scenes': 1}, {'val_scenes': 0}, {'seed': -1}, {'max_epochs': 0}],
)
def test_settings_out_of_range_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'{name}='):
        DemoSettings(**wrong)


def test_steps_run_side_by_side_where_they_can(tmp_path, monkeypatch):
    """Both trainings wait for each other: one alone would never end."""
    meeting = threading.Barrier(2, timeout=30)
    order = []

    def run_command(arguments, folder, log_file, *rest, **options):
        if arguments[0] == 'train':
            meeting.wait()
        order.append(arguments[0])

    monkeypatch.setattr(pipeline_module, 'run_command', run_command)
    steps = [
        Step('data', 'Data', ('digit-scenes',)),
        Step('one', 'One', ('train', '1'), needs=('data',)),
        Step('two', 'Two', ('train', '2'), needs=('data',)),
        Step('report', 'Report', ('demo',), needs=('one', 'two')),
    ]
    _run(tmp_path, steps, jobs=2)
    assert order == ['digit-scenes', 'train', 'train', 'demo']


def test_a_failure_stops_what_runs_beside_it(tmp_path, monkeypatch):
    begun = threading.Event()
    stopped = []

    def run_command(
        arguments, folder, log_file, on_progress, on_tick, stop, threads
    ):
        if arguments[0] == 'fails':
            assert begun.wait(30)
            raise CommandFailedError(1, ['no'])
        begun.set()
        assert stop.wait(30)
        stopped.append(arguments[0])
        raise StoppedError

    monkeypatch.setattr(pipeline_module, 'run_command', run_command)
    steps = [Step('a', 'A', ('fails',)), Step('b', 'B', ('goes on',))]
    with pytest.raises(UserError, match="step 'a' failed"):
        _run(tmp_path, steps, jobs=2)
    assert stopped == ['goes on']
    assert Records(tmp_path / RECORDS).unfinished('b') is not None


def test_cores_are_shared_among_the_jobs(tmp_path, commands, monkeypatch):
    monkeypatch.setattr(pipeline_module, 'count_cores', lambda: 8)
    _run(tmp_path / 'two', _steps(), jobs=2)
    assert commands.threads == 4
    _run(tmp_path / 'many', _steps(), jobs=16)
    assert commands.threads == 1
    with pytest.raises(ValueError, match='jobs=0'):
        Pipeline(tmp_path, _Board(), 0)


def test_time_side_by_side_counts_once():
    assert covered_seconds([]) == 0
    spans = [(10.0, 20.0), (0.0, 4.0), (12.0, 15.0), (18.0, 21.0)]
    assert covered_seconds(spans) == 15.0
