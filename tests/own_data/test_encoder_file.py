"""What a file of weights says is read, and never run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convmae_mm import ConvMAE
from convmae_mm.own_data.encoder_file import IMAGENET_MEAN, look_at_encoder

PROCESSOR = (
    'data_preprocessor = dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])'
)


@pytest.mark.parametrize(
    ('text', 'mean'),
    [
        (f'model = dict()\n{PROCESSOR}', (1.0, 2.0, 3.0)),
        (f'model = dict({PROCESSOR})', (1.0, 2.0, 3.0)),
        ('import os\nos.mkdir({folder!r})\nmodel = dict()', IMAGENET_MEAN),
    ],
    ids=['at the top', 'in the model', 'a program'],
)
def test_the_config_inside(
    text: str, mean: tuple[float, ...], tmp_path: Path
) -> None:
    folder = tmp_path / 'made_by_the_file'
    file = tmp_path / 'a.pth'
    cfg = text.replace('{folder!r}', repr(str(folder)))
    state = ConvMAE('tiny').state_dict()
    torch.save(dict(state_dict=state, meta=dict(cfg=cfg)), file)
    encoder = look_at_encoder(file)
    assert (encoder.arch, encoder.mean) == ('tiny', mean)
    assert not folder.exists()
