"""State dicts of every variant, mutated: read rightly or refused by us."""

from __future__ import annotations

import random
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from fuzzing import WRONG, cases, refused
from released_networks import OVERRIDES, VARIANTS, released_state
from torch import Tensor

from convmae_mm import ConvMAE
from convmae_mm.checkpoint import (
    convert_released_state_dict,
    describe_ours,
    describe_released,
    export_released_state_dict,
    initialise_backbone,
    load_weights_file,
    unpack_weights,
    uses_our_names,
)

pytestmark = pytest.mark.slow
ARCH = dict(
    embed_dims=[16, 24, 48], depths=[2, 2, 11], num_heads=3, mlp_ratios=[4] * 3
)
WORDS = ('module.', 'backbone.', 'x', '0', '.weight', 'blocks3.', '')


def change_tensor(tensor: Tensor, draw: random.Random) -> Any:
    """Another shape, another type, other numbers, or no tensor at all."""
    changes = [
        lambda x: x.transpose(0, -1) if x.ndim else x,
        lambda x: x.flatten(),
        lambda x: x[None],
        lambda x: x[:0] if x.ndim else x[None][:0],
        lambda x: x.flatten()[:1].squeeze(),
        lambda x: torch.cat([x, x]) if x.ndim else x,
        lambda x: x[:-1] if x.ndim else x,
        lambda x: x.narrow(-1, 0, 1) if x.numel() and x.ndim else x,
        lambda x: torch.zeros(1).expand(10**6, 10**6),
        lambda x: torch.zeros(1).expand(10**6, *x.shape[1:]),
        lambda x: x.to(draw.choice([torch.int32, torch.bool, torch.uint8])),
        lambda x: x.to(draw.choice([torch.half, torch.bfloat16])),
        lambda x: x.to(draw.choice([torch.double, torch.complex64])),
        lambda x: x.double() * 1e300,
        lambda x: x * draw.choice([float('nan'), float('inf')]),
        lambda x: x.to_sparse() if x.is_floating_point() else x,
        lambda x: x.to('meta'),
        lambda x: torch.nn.Parameter(x) if x.is_floating_point() else x,
        lambda x: x.numpy(),
        lambda x: draw.choice(WRONG),
    ]
    return draw.choice(changes)(tensor)


def mutate_state(state: dict[Any, Any], draw: random.Random) -> None:
    """Change names or tensors, in place."""
    if not state:
        return
    names = list(state)
    name = draw.choice(names)
    action = draw.random()
    if action < 0.15:
        del state[name]
    elif action < 0.2:
        part = str(name).rpartition('.')[0]
        for other in [x for x in names if str(x).startswith(part)]:
            del state[other]
    elif action < 0.3:
        word = draw.choice(WORDS)
        new = draw.choice([f'{word}{name}', f'{name}{word}', 1, (name,), b''])
        state[new] = state.pop(name)
    elif action < 0.35:
        for other in names:
            state[f'module.{other}'] = state.pop(other)
    elif action < 0.45:
        other = draw.choice(names)
        state[name], state[other] = state[other], state[name]
    elif action < 0.5:
        index = str(draw.choice([1, 5, 10**6, -1, '٣', '01']))
        state[str(name).replace('.0.', f'.{index}.')] = state.pop(name)
    elif isinstance(state[name], Tensor):
        state[name] = change_tensor(state[name], draw)


def contain(state: dict[Any, Any], draw: random.Random) -> Any:
    """What a file may hold around a state dict."""
    return draw.choice(
        [
            state,
            {'model': state},
            {'state_dict': state, 'meta': draw.choice(WRONG)},
            {'state_dict': state, 'meta': {'cfg': draw.choice(WRONG)}},
            {'model': draw.choice(WRONG), 'state_dict': state},
            {'model': {'state_dict': state}, 'epoch': draw.choice(WRONG)},
            {'model_ema': state, 'iteration': 10**30, 'args': Namespace(a=1)},
            {'model': state, 'args': draw.choice(WRONG), 1: 2, None: 3},
            {'optimizer': state},
            [state],
        ]
    )


def read(content: Any, draw: random.Random, folder: Path) -> dict[str, Tensor]:
    """The tensors, out of a file or out of the hand."""
    if draw.random() < 0.8 and isinstance(content, dict):
        return unpack_weights(content)
    path = folder / 'weights.pth'
    try:
        if draw.random() < 0.3:
            safetensors.torch.save_file(content, path)
        else:
            torch.save(content, path)
    except Exception:  # there can be no such file
        path.write_bytes(b'')
    return load_weights_file(path).weights


def read_and_use(
    content: Any,
    options: dict[str, Any],
    draw: random.Random,
    backbones: list[ConvMAE],
    folder: Path,
) -> None:
    """Go through the doors that take weights."""
    weights = read(content, draw, folder)
    door = draw.randrange(3)
    ours = uses_our_names(weights)
    if door == 0:
        (describe_ours if ours else describe_released)(weights, **options)
    elif door == 1:
        if ours:
            size = draw.choice([None, 16, (64, 96)])
            export_released_state_dict(weights, img_size=size)
        else:
            convert_released_state_dict(weights)
    else:
        anyway = draw.random() < 0.5
        initialise_backbone(draw.choice(backbones), weights, anyway)


@pytest.fixture(scope='module')
def states() -> dict[str, dict[str, Tensor]]:
    """Of every variant, under released names and ours."""
    released = {name: released_state(name) for name in VARIANTS}
    return released | {
        f'{name} of ours': convert_released_state_dict(state)
        for name, state in released.items()
    }


def test_mutated_state_dicts_end_in_our_errors(states, tmp_path):
    modes = ('plain', 'detection', 'mimdet', 'seg')
    backbones = [ConvMAE(ARCH, mode=x, img_size=64) for x in modes]
    told: Counter[bool] = Counter()
    for draw in cases(600):
        name = draw.choice(list(states))
        state: dict[Any, Any] = dict(states[name])
        while True:
            mutate_state(state, draw)
            if draw.random() < 0.6:
                break
        content = contain(state, draw)
        options = OVERRIDES.get(name.removesuffix(' of ours'), {})
        told[
            bool(
                refused(
                    *(draw, name, read_and_use, content, options),
                    *(draw, backbones, tmp_path),
                )
            )
        ] += 1
    assert len(told) == 2
