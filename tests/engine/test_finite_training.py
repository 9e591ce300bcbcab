"""A training whose numbers are not finite ends, and loses nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from convmae_mm.engine import (
    FiniteTrainingHook,
    NotFiniteError,
    SafeCheckpointHook,
)
from convmae_mm.engine.finite import are_finite, not_finite
from convmae_mm.errors import DiskError

NAN = float('nan')


class Root(nn.Module):
    """Its gradient is infinite at 0, where its value is not."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs().sqrt()


class Exp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


class Toy(BaseModel):
    def __init__(self, second: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = second or nn.Identity()

    def forward(self, inputs: Tensor, mode: str) -> dict[str, Tensor]:
        return dict(loss_toy=self.second(self.first(inputs)).sum())


def toy_runner(
    work_dir: Path, values: list[float], model: Toy | None = None, **more
) -> Runner:
    """One step for each value, which is all that its batch holds."""
    data = [dict(inputs=torch.full((2,), float(x))) for x in values]
    checkpoint = dict(type='convmae_mm.SafeCheckpointHook', interval=1)
    options = dict(
        model=model or Toy(),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(data, batch_size=1),
        train_cfg=dict(by_epoch=False, max_iters=len(values)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(checkpoint=dict(checkpoint, by_epoch=False)),
        custom_hooks=[FiniteTrainingHook(max_bad_steps=3)],
        experiment_name=work_dir.name,
        cfg=dict(),
    )
    return Runner(**(options | more))


def test_finite_is_told_from_not_finite() -> None:
    large = torch.full((10,), 3e38)
    assert are_finite([large, large.half().new_ones(3), torch.ones(2).int()])
    assert are_finite([])
    assert not are_finite([large, torch.tensor([1.0, NAN])])
    tensors = {'a': large, 'b': torch.tensor(float('inf')), 'c': 'text'}
    assert not_finite(tensors) == ['b']


def test_single_bad_steps_do_not_reach_the_weights(tmp_path: Path) -> None:
    model = Toy()
    before = model.first.weight.detach().clone()
    toy_runner(tmp_path, [1, NAN, NAN, 1, NAN, NAN, 1], model).train()
    # each good step subtracts the rate times the input
    moved = before - model.first.weight.detach()
    assert torch.allclose(moved, torch.full((2, 2), 0.03), atol=1e-6)


def test_bad_steps_in_a_row_end_it(tmp_path: Path) -> None:
    runner = toy_runner(tmp_path, [1, NAN, NAN, NAN, 1])
    with pytest.raises(NotFiniteError) as caught:
        runner.train()
    message = str(caught.value)
    assert 'stopped in iteration 4: loss is nan, loss_toy is nan' in message
    assert 'bad step 3 in a row' in message
    assert 'not finite is that of data_preprocessor (' in message
    assert f'{tmp_path}/iter_3.pth' in message
    assert '\n' not in message
    assert not (tmp_path / 'iter_4.pth').exists()
    content = torch.load(tmp_path / 'iter_3.pth', weights_only=True)
    assert are_finite(content['state_dict'].values())


def test_weights_that_overflowed_end_it_at_once(tmp_path: Path) -> None:
    runner = toy_runner(
        tmp_path,
        [1] * 9,
        Toy(Exp()),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e3, maximize=True)),
    )
    with pytest.raises(NotFiniteError, match='batch that was sound before'):
        runner.train()
    assert runner.iter == 1


def test_a_gradient_is_named(tmp_path: Path) -> None:
    runner = toy_runner(tmp_path, [0, 0, 0], Toy(Root()))
    with pytest.raises(NotFiniteError, match='a gradient is not fin') as found:
        runner.train()
    assert 'at the output of first (Linear)' in str(found.value)


def test_a_training_without_a_good_step_does_not_end_well(
    tmp_path: Path,
) -> None:
    with pytest.raises(NotFiniteError, match='all its 2 steps'):
        toy_runner(tmp_path, [NAN, NAN]).train()


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    runner = toy_runner(tmp_path, [1, 1])
    runner.model.first.weight.data[0, 0] = NAN
    runner.model.first.weight.requires_grad_(False)
    runner.model.second = nn.Linear(2, 1)
    runner.train_dataloader  # noqa: B018
    with pytest.raises(NotFiniteError, match='first first.weight'):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


def test_the_oldest_goes_after_the_next_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        if list(tmp_path.glob('.iter_3.pth*')):
            raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    hook = SafeCheckpointHook(interval=1, by_epoch=False, max_keep_ckpts=1)
    runner = toy_runner(
        tmp_path, [1, 1, 1], default_hooks=dict(checkpoint=hook)
    )
    with pytest.raises(DiskError) as caught:
        runner.train()
    assert 'iter_3.pth of 0.0 MiB: No space left on' in str(caught.value)
    assert 'MiB are free there' in str(caught.value)
    left = {path.name for path in tmp_path.iterdir() if path.suffix != '.py'}
    left -= {runner.timestamp}
    assert left == {'iter_2.pth', 'last_checkpoint'}


def test_the_best_is_kept_until_a_better_one_is_there(tmp_path: Path) -> None:
    hook = SafeCheckpointHook(
        interval=1, by_epoch=False, max_keep_ckpts=1, save_best='x',
        rule='greater',
    )  # fmt: skip
    runner = toy_runner(tmp_path, [1], default_hooks=dict(checkpoint=hook))
    runner.train()
    for score in (0.1, 0.3, 0.2):
        hook.after_val_epoch(runner, dict(x=score))
        runner.train_loop._iter += 1
    best = [path.name for path in tmp_path.glob('best*')]
    assert best == ['best_x_iter_2.pth']


def test_a_disk_that_is_too_small_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = SafeCheckpointHook(interval=1, by_epoch=False)
    runner = toy_runner(
        tmp_path, [1, 1, 1], default_hooks=dict(checkpoint=hook)
    )
    runner.train()
    assert hook._shortage(runner) == ''
    monkeypatch.setattr(
        'shutil.disk_usage', lambda path: type('', (), dict(free=10))
    )
    runner.train_loop._iter = 0
    # 4 numbers of 4 bytes, and twice that for the optimiser
    assert '3 checkpoints of about 0 MiB' in hook._shortage(runner)
