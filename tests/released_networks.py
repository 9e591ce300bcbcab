"""Whole state dicts with the names that the ConvMAE authors released."""

from __future__ import annotations

import json
from functools import cache

import torch
from golden_outputs import GOLDEN_DIR, load_golden
from torch import Tensor

# Golden file -> the variant that it is.
VARIANTS = {
    'pretrain': 'pretrain',
    'pretrain_nonorm_r60': 'pretrain',
    'fast_pretrain': 'pretrain',
    'cls_global_pool': 'classifier',
    'cls_first_token': 'classifier',
    'det_paper': 'backbone',
    'det_mimdet': 'backbone',
    'det_vitdet': 'backbone',
    'seg': 'backbone',
    'detector1': 'detector1',
    'detector2': 'detector2',
    'segmentor': 'segmentor',
}
# What the tensors of a golden file do not tell.
OVERRIDES = {
    'pretrain': dict(num_heads=3, decoder_num_heads=4),
    'pretrain_nonorm_r60': dict(num_heads=3, decoder_num_heads=4),
    'fast_pretrain': dict(num_heads=3, decoder_num_heads=4),
    'cls_global_pool': dict(num_heads=3),
    'cls_first_token': dict(num_heads=3),
    'det_paper': dict(img_size=(256, 352)),
}
CLASSES, WIDTH, AUXILIARY = 5, 8, 6


def released_state(name: str) -> dict[str, Tensor]:
    """The state dict of a golden file, with its index buffers.

    'segmentor' is that of 'seg' with the heads of mmseg 0.11.
    """
    if name == 'segmentor':
        backbone = released_state('seg')
        state = {f'backbone.{key}': x for key, x in backbone.items()}
        return state | _segmentor_heads()
    golden = load_golden(name)
    drawn = golden.draw_weights()
    state = {}
    for key, shape in golden.meta['keys'].items():
        if key.endswith('relative_position_index'):
            side = int(shape[0] ** 0.5)
            grid = (16, 22) if shape[0] == 352 else (side, side)
            state[key] = position_index(*grid).clone()
        else:
            state[key] = drawn[key].reshape(shape)
    return state


def command_options(name: str) -> list[str]:
    """What the tensors of a golden file do not tell, for the command line."""
    options = []
    for key, value in OVERRIDES.get(name, {}).items():
        text = 'x'.join(map(str, value)) if key == 'img_size' else str(value)
        options += [f'--{key.replace("_", "-")}', text]
    return options


def full_size_state(detector: int) -> dict[str, Tensor]:
    """Tensors without content of a detector as it was released."""
    file = GOLDEN_DIR / f'detector{detector}_keys.json'
    return {
        key: torch.empty(shape, device='meta')
        for key, shape in json.loads(file.read_text()).items()
    }


@cache
def position_index(height: int, width: int) -> Tensor:
    """BEiT's index of relative positions, without class token, slowly."""
    places = [(i, j) for i in range(height) for j in range(width)]
    rows, columns = torch.tensor(places).unbind(1)
    row_offsets = rows[:, None] - rows[None, :] + height - 1
    column_offsets = columns[:, None] - columns[None, :] + width - 1
    return row_offsets * (2 * width - 1) + column_offsets


def _segmentor_heads() -> dict[str, Tensor]:
    """UPerHead and FCNHead on maps of 16, 24, 48 and 48 channels."""
    convolutions = {
        'decode_head.bottleneck': (WIDTH, 48 + 4 * WIDTH, 3, 3),
        'decode_head.fpn_bottleneck': (WIDTH, 4 * WIDTH, 3, 3),
        'auxiliary_head.convs.0': (AUXILIARY, 48, 3, 3),
    }
    for index in range(4):
        stem = f'decode_head.psp_modules.{index}.1'
        convolutions[stem] = (WIDTH, 48, 1, 1)
    for index, channels in enumerate((16, 24, 48)):
        stem = f'decode_head.lateral_convs.{index}'
        convolutions[stem] = (WIDTH, channels, 1, 1)
        stem = f'decode_head.fpn_convs.{index}'
        convolutions[stem] = (WIDTH, WIDTH, 3, 3)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for stem, shape in convolutions.items():
        state[f'{stem}.conv.weight'] = torch.rand(shape, generator=generator)
        for name in ('weight', 'bias', 'running_mean', 'running_var'):
            state[f'{stem}.bn.{name}'] = torch.rand(
                shape[0], generator=generator
            )
        state[f'{stem}.bn.num_batches_tracked'] = torch.tensor(3)
    for head, width in (('decode', WIDTH), ('auxiliary', AUXILIARY)):
        stem = f'{head}_head.conv_seg'
        state[f'{stem}.weight'] = torch.rand(
            (CLASSES, width, 1, 1), generator=generator
        )
        state[f'{stem}.bias'] = torch.rand(CLASSES, generator=generator)
    return state
