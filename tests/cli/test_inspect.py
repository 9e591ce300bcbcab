"""`convmae-mm inspect` on real files."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from released_networks import (
    OVERRIDES,
    VARIANTS,
    command_options,
    released_state,
)

from convmae_mm import ConvMAE, cli
from convmae_mm.checkpoint import (
    convert_released_state_dict,
    describe_released,
)
from convmae_mm.cli._ready_config import backbone_text, format_value
from convmae_mm.cli.inspect import describe_tensors


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell of a table is broken into lines."""
    monkeypatch.setenv('COLUMNS', '400')


def inspect(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """What the command prints, spaces made even."""
    assert cli.main(['inspect', *map(str, args)]) == 0
    return re.sub(r'[ │]+', ' ', capsys.readouterr().out)


@pytest.mark.parametrize('name', VARIANTS)
def test_released_files(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'a.pth'
    state = released_state(name)
    torch.save(dict(model=state, epoch=1599, optimizer={}), file)
    told = inspect(capsys, file, *command_options(name))
    network = describe_released(state, **OVERRIDES.get(name, {}))
    assert f'mode {network.backbone["mode"]}' in told
    assert 'tensor names as released' in told
    assert 'trained for 1600 epochs' in told
    assert 'optimizer state' in told
    assert 'embed_dims (16, 24, 48), depths (2, 2, 11), num_heads 3' in told
    assert 'build_from_official' in told


@pytest.mark.parametrize('name', VARIANTS)
def test_the_config_builds_the_encoder(name: str) -> None:
    state = released_state(name)
    network = describe_released(state, **OVERRIDES.get(name, {}))
    names: dict = {}
    exec(backbone_text(network, 'a.pth'), names)
    settings = names['backbone']
    assert settings.pop('type') == 'convmae_mm.ConvMAE'
    assert settings.pop('init_cfg') == dict(
        type='convmae_mm.PretrainedConvMAE', checkpoint='a.pth'
    )
    backbone = ConvMAE(**settings)
    weights = {
        key.removeprefix('backbone.'): x
        for key, x in convert_released_state_dict(state).items()
        if key.startswith('backbone.')
    }
    backbone.load_state_dict(weights, strict=True)


@pytest.mark.parametrize(
    ('name', 'parts'),
    [
        ('pretrain', 'encoder, decoder'),
        ('cls_first_token', 'encoder, classifier head'),
        ('seg', 'encoder'),
        ('detector1', 'encoder, feature pyramid, RPN, box and mask heads'),
        ('detector2', 'encoder, feature pyramid, RPN, box and mask heads'),
        ('segmentor', 'encoder, segmentation head, auxiliary head'),
    ],
)
@pytest.mark.parametrize('ours', [False, True])
def test_contents(
    name: str,
    parts: str,
    ours: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / 'a.safetensors'
    state = released_state(name)
    if ours:
        state = convert_released_state_dict(state)
    safetensors.torch.save_file(state, file)
    told = inspect(capsys, file)
    assert f'contains {parts} \n' in told
    assert f'names {"convmae_mm" if ours else "as released"}' in told
    assert 'trained for not stored' in told


def test_a_checkpoint_of_a_training_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmengine.logging import MessageHub

    hub = MessageHub.get_instance('test_inspect')
    hub.update_scalar('train/loss', 0.5)
    state = ConvMAE(
        arch=dict(embed_dims=(16, 24, 64), depths=(1, 1, 2), num_heads=1),
        img_size=64,
    ).state_dict()
    file = tmp_path / 'epoch_2.pth'
    torch.save(
        dict(
            meta=dict(epoch=2, iter=10),
            state_dict={f'backbone.{k}': x for k, x in state.items()}
            | {'head.loss_scale': torch.zeros(1)},
            message_hub=hub.state_dict(),
            optimizer={},
        ),
        file,
    )
    told = inspect(capsys, file)
    assert 'trained for 2 epochs, 10 iterations' in told
    assert 'depths (1, 1, 2), num_heads 1' in told
    assert 'other entries meta, message_hub' in told
    # It is no released network, so only its encoder is shown.
    assert 'build_from_official' not in told
    assert 'backbone = dict' in told


def test_what_the_file_does_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything else is told all the same."""
    file = tmp_path / 'a.pth'
    args = Namespace(norm_pix_loss=True)
    torch.save(dict(model=released_state('pretrain'), args=args), file)
    told = inspect(capsys, file)
    assert 'contains encoder, decoder' in told
    assert 'num_heads' in told
    assert 'backbone = dict' not in told


def test_the_hash_in_the_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'a-0123abcd.pth'
    torch.save(released_state('seg'), file)
    assert 'NOT as its name says' in inspect(capsys, file)


def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = released_state('seg')
    del state['blocks3.1.gamma_1']
    torch.save(state, tmp_path / 'incomplete.pth')
    (tmp_path / 'text.pth').write_text('hello')
    for name, told in (
        ('none.pth', 'does not exist'),
        ('text.pth', 'a text file'),
        ('incomplete.pth', "missing: ['blocks3.1.gamma_1']"),
    ):
        assert cli.main(['inspect', str(tmp_path / name)]) == 1
        printed = capsys.readouterr()
        assert told in printed.err
        assert printed.err.count('\n') == 1
        assert printed.out == ''


def test_buffers_are_no_parameters() -> None:
    rows = dict(
        describe_tensors(
            {
                'a.weight': torch.zeros(20_000, dtype=torch.float16),
                'a.running_mean': torch.zeros(10_000),
                'relative_position_index': torch.zeros(10_000).long(),
                'b': torch.zeros(0),
            }
        )
    )
    assert rows == {
        'parameters': '0.02 M',
        'types': 'float16 (1), float32 (1)',
    }


def test_format_value() -> None:
    value = dict(a=1, b=dict(c=(1, 2), d='x'))
    assert format_value(value) == "dict(a=1, b=dict(c=(1, 2), d='x'))"
    long = dict(a=value, e='y' * 60)
    assert eval(format_value(long)) == long
    assert format_value(long).splitlines() == [
        'dict(',
        "    a=dict(a=1, b=dict(c=(1, 2), d='x')),",
        f"    e='{'y' * 60}',",
        ')',
    ]


def test_another_mode_is_allowed_in_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / 'released.pth'
    torch.save(dict(model=released_state('det_mimdet')), file)
    assert cli.main(['inspect', str(file), '--mode', 'vitdet']) == 0
    assert 'allow_other_mode=True' in capsys.readouterr().out


def test_numbers_that_are_not_finite_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'a.pth'
    state = released_state('det_vitdet')
    state['blocks3.2.norm1.bias'][3] = float('nan')
    torch.save(dict(model=state), file)
    told = inspect(capsys, file)
    assert 'NaN or infinite blocks3.2.norm1.bias' in told
    assert cli.main(['convert', str(file), '--out', str(tmp_path)]) == 1
    assert 'NaN or infinite' in capsys.readouterr().err
