"""A resume that would go on with other weights or names is refused."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from convmae_mm.checkpoint import CheckpointError
from convmae_mm.engine import CheckpointMatchHook

CLASSES = ('cat', 'dog')


def runner_of(model: nn.Module, resume: bool = True) -> Any:
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    return SimpleNamespace(
        model=model,
        cfg=dict(resume=resume, load_from='net.pth'),
        logger=logging.getLogger('test'),
        optim_wrapper=None,
        _train_loop=loop,
        _test_loop=None,
    )


def saved(model: nn.Module, classes: tuple[str, ...] = CLASSES) -> dict:
    state = {name: x.clone() for name, x in model.state_dict().items()}
    average = {f'module.{name}': x.clone() for name, x in state.items()}
    average['steps'] = torch.tensor(3)
    return dict(
        state_dict=state,
        ema_state_dict=average,
        meta=dict(dataset_meta=dict(classes=classes)),
    )


def test_it_comes_before_the_hook_for_averages() -> None:
    """That one exchanges the two by name, and dies of a name it misses."""
    from mmengine.hooks import EMAHook
    from mmengine.runner import get_priority

    match = get_priority(CheckpointMatchHook.priority)
    assert match < get_priority(EMAHook.priority)


@pytest.mark.parametrize('content', [[1, 2], {}, torch.ones(3)])
def test_the_file_is_named_that_is_no_checkpoint(content: Any) -> None:
    runner = runner_of(nn.Linear(2, 2), resume=False)
    with pytest.raises(CheckpointError, match=r'^net\.pth: '):
        CheckpointMatchHook().after_load_checkpoint(runner, content)


@pytest.mark.parametrize('entry', ['state_dict', 'ema_state_dict'])
def test_averages_that_are_not_finite_are_refused(entry: str) -> None:
    model = nn.Linear(2, 2)
    checkpoint = saved(model)
    name = 'bias' if entry == 'state_dict' else 'module.bias'
    checkpoint[entry][name].fill_(float('nan'))
    with pytest.raises(CheckpointError, match=f'not finite, the first {name}'):
        CheckpointMatchHook().after_load_checkpoint(
            runner_of(model), checkpoint
        )


def test_names_of_compiled_models_are_understood() -> None:
    model = nn.Linear(2, 2)
    checkpoint = saved(model)
    for entry in ('state_dict', 'ema_state_dict'):
        names = checkpoint[entry]
        for name in list(names):
            if name != 'steps':
                names[f'_orig_mod.{name}'] = names.pop(name)
    CheckpointMatchHook().after_load_checkpoint(runner_of(model), checkpoint)
    assert set(checkpoint['state_dict']) == {'weight', 'bias'}
    assert set(checkpoint['ema_state_dict']) == {
        *('module.weight', 'module.bias', 'steps'),
    }


@pytest.mark.parametrize('classes', [('dog', 'cat'), ('cat', 'cow')])
def test_other_classes_are_not_resumed(
    classes: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match='outputs would get other names'):
        CheckpointMatchHook().after_load_checkpoint(
            runner_of(model), saved(model, classes)
        )
    start = runner_of(model, resume=False)
    CheckpointMatchHook().after_load_checkpoint(start, saved(model, classes))
    assert ('another order' in caplog.text) is (classes == ('dog', 'cat'))
    with pytest.raises(CheckpointError, match='cat, dog'):
        CheckpointMatchHook(least_share=1).after_load_checkpoint(
            start, saved(model, classes)
        )


def test_another_optimizer_does_not_resume() -> None:
    """torch died of a KeyError once the steps began."""
    model = nn.Linear(2, 2)
    checkpoint = saved(model)
    checkpoint['optimizer'] = torch.optim.AdamW(
        model.parameters()
    ).state_dict()
    runner = runner_of(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
    runner.optim_wrapper = SimpleNamespace(optimizer=optimizer)
    CheckpointMatchHook().after_load_checkpoint(runner, checkpoint)
    other = torch.optim.SGD(model.parameters(), lr=0.5)
    runner.optim_wrapper = SimpleNamespace(optimizer=other)
    with pytest.raises(
        CheckpointError, match='is no SGD, .* no dampening, mo'
    ):
        CheckpointMatchHook().after_load_checkpoint(runner, checkpoint)
