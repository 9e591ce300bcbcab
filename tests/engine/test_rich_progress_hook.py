import io
import sys

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from convmae_mm.engine import RichProgressHook
from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)


class _Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        output = self.layer(torch.stack(inputs)).sum()
        return {'loss': output} if mode == 'loss' else [output]


class _Metric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {'count': len(results)}


class _Data(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return {'inputs': torch.ones(1)}


def _loader():
    return {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': _Data(),
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
    }


def _runner(folder, train_cfg, hook, **options):
    evaluated = {
        'dataloader': _loader(),
        'cfg': {},
        'evaluator': {'type': _Metric},
    }
    return Runner(
        _Model(),
        str(folder),
        train_dataloader=_loader(),
        train_cfg=train_cfg,
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        default_scope='mmengine',
        custom_hooks=[hook],
        experiment_name=f'{folder.name}_{len(list(folder.iterdir()))}',
        **{f'val_{key}': value for key, value in evaluated.items()},
        **{f'test_{key}': value for key, value in evaluated.items()},
        **options,
    )


def _progress(text):
    lines = [ProgressLine.parse(line) for line in text.splitlines()]
    return [(p.phase, p.done, p.total) for p in lines if p is not None]


BY_EPOCH = {'by_epoch': True, 'max_epochs': 2, 'val_interval': 2}
BY_ITERATION = {'by_epoch': False, 'max_iters': 6, 'val_interval': 6}


@pytest.mark.parametrize('train_cfg', [BY_EPOCH, BY_ITERATION])
def test_every_loop_is_told_in_lines(tmp_path, capsys, train_cfg):
    hook = RichProgressHook(line_interval=0)
    runner = _runner(tmp_path, train_cfg, hook)
    runner.train()
    runner.test()
    assert _progress(capsys.readouterr().out) == [
        *(('train', i, 6) for i in range(1, 7)),
        *(('val', i, 3) for i in range(1, 4)),
        *(('test', i, 3) for i in range(1, 4)),
    ]


def test_long_interval_keeps_the_first_and_the_last_line(tmp_path, capsys):
    _runner(tmp_path, BY_EPOCH, RichProgressHook(3600)).train()
    told = _progress(capsys.readouterr().out)
    assert [p for p in told if p[0] == 'train'] == [
        ('train', 1, 6),
        ('train', 6, 6),
    ]


def test_resumed_training_starts_where_it_was_left(tmp_path, capsys):
    hooks = {'checkpoint': {'type': 'CheckpointHook', 'interval': 1}}
    half = {'by_epoch': True, 'max_epochs': 1}
    _runner(tmp_path, half, RichProgressHook(), default_hooks=hooks).train()
    capsys.readouterr()
    runner = _runner(
        tmp_path,
        BY_EPOCH,
        RichProgressHook(line_interval=0),
        default_hooks=hooks,
        resume=True,
    )
    runner.train()
    told = _progress(capsys.readouterr().out)
    assert [p for p in told if p[0] == 'train'] == [
        ('train', i, 6) for i in (4, 5, 6)
    ]


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_gets_a_bar_below_the_log(tmp_path, monkeypatch):
    screen = _Terminal()
    monkeypatch.setattr(sys, 'stdout', screen)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '140')
    runner = _runner(tmp_path, BY_EPOCH, RichProgressHook())
    handlers = [h for h in runner.logger.handlers if hasattr(h, 'stream')]
    streams = [h.stream for h in handlers]
    runner.train()
    text = screen.getvalue()
    assert '6/6' in text and 'to go' in text
    assert '[progress]' not in text
    assert text.count('\x1b[?25l') == text.count('\x1b[?25h') == 1
    assert [h.stream for h in handlers] == streams
    assert sys.stdout is screen


def test_negative_interval_is_refused():
    with pytest.raises(ValueError, match='line_interval=-1'):
        RichProgressHook(line_interval=-1)


@pytest.mark.parametrize(
    'progress',
    [
        ProgressLine('train', 3, 9, 0.5, 1.25),
        ProgressLine('val', 9, 9, 0.125),
        ProgressLine('train', 1, 9000, 1.5, float('nan')),
    ],
)
def test_progress_line_reads_back(progress):
    again = ProgressLine.parse(f'{progress}\n')
    assert again is not None
    assert str(again) == str(progress)


def test_other_lines_tell_no_progress():
    assert ProgressLine.parse('Epoch(train) [1][10/16] loss: 1') is None
    assert ProgressLine.parse('') is None


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0:00'), (59.6, '1:00'), (187, '3:07'), (3787, '1:03:07')],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text
