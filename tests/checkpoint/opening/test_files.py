"""Real files: what is in them, and what is wrong with them."""

from __future__ import annotations

import os
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError

import pytest
import safetensors.torch
import torch
from released_networks import released_state
from torch import Tensor, nn

from convmae_mm.checkpoint import (
    CheckpointError,
    ForeignNetworkError,
    UnsafeFileError,
    convert_released_state_dict,
    load_weights_file,
)
from convmae_mm.checkpoint.opening.containers import read_container
from convmae_mm.checkpoint.opening.files import find_not_finite

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def weights() -> dict[str, Tensor]:
    return released_state('pretrain')


class Hostile:
    """What an attacker would pickle: a call on load."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def assert_has(loaded: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    assert list(loaded) == list(weights)
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


def test_a_released_file(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    """As MAE's code writes it, command line and optimizer included."""
    file = tmp_path / 'convmae_base.pth'
    args = Namespace(model='convmae', norm_pix_loss=True, mask_ratio=0.75)
    state = {'state': {0: {'exp_avg': torch.rand(3)}}, 'param_groups': [{}]}
    content = dict(
        model=weights, optimizer=state, epoch=1599, scaler={}, args=args
    )
    torch.save(content, file)
    loaded = load_weights_file(file)
    assert_has(loaded.weights, weights)
    assert loaded.path == file
    assert loaded.format == 'pth'
    assert loaded.container == 'model'
    assert loaded.extras == ('optimizer', 'epoch', 'scaler', 'args')
    assert loaded.has_optimizer
    assert (loaded.epochs, loaded.iterations) == (1600, None)
    assert loaded.settings == vars(args)


def test_what_is_loaded_does_not_depend_on_the_file_any_more(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    file = tmp_path / 'a.pth'
    torch.save(weights, file)
    loaded = load_weights_file(str(file))
    file.write_bytes(b'something else')
    assert_has(loaded.weights, weights)


def test_a_checkpoint_of_detectron2(tmp_path: Path) -> None:
    detector = released_state('detector2')
    file = tmp_path / 'model_final.pth'
    torch.save(dict(model=detector, iteration=89999, scheduler={}), file)
    loaded = load_weights_file(file)
    assert (loaded.epochs, loaded.iterations) == (None, 90000)
    assert not loaded.has_optimizer
    assert_has(loaded.weights, detector)


def test_a_checkpoint_of_openmmlab(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    ours = convert_released_state_dict(weights)
    file = tmp_path / 'epoch_3.pth'
    meta = dict(epoch=3, iter=1200, seed=0)
    torch.save(dict(meta=meta, state_dict=ours), file)
    loaded = load_weights_file(file)
    assert (loaded.epochs, loaded.iterations) == (3, 1200)
    assert loaded.container == 'state_dict'
    assert loaded.settings == meta
    assert_has(loaded.weights, ours)


@pytest.mark.parametrize('container', ['model', 'state_dict', 'model_state'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_containers_and_the_prefix_of_distributed_training(
    tmp_path: Path, weights: dict[str, Tensor], container: str, prefix: str
) -> None:
    file = tmp_path / 'a.pth'
    wrapped = OrderedDict((prefix + key, x) for key, x in weights.items())
    torch.save({container: wrapped}, file)
    loaded = load_weights_file(file)
    assert loaded.container == container
    assert_has(loaded.weights, weights)


def test_bare_weights_with_company(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    file = tmp_path / 'a.pth'
    torch.save({**weights, 'epoch': 4}, file)
    loaded = load_weights_file(file)
    assert loaded.container is None
    assert loaded.extras == ('epoch',)
    assert loaded.epochs == 5
    assert_has(loaded.weights, weights)


def test_files_of_old_torch(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    file = tmp_path / 'a.pth'
    torch.save(dict(model=weights), file, _use_new_zipfile_serialization=False)
    assert_has(load_weights_file(file).weights, weights)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match='cut off after'):
        load_weights_file(file)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(CheckpointError, match='cut off after 60 bytes'):
        load_weights_file(file)


def test_safetensors(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    file = tmp_path / 'a.safetensors'
    safetensors.torch.save_file(weights, file, {'variant': 'pretrain'})
    loaded = load_weights_file(file)
    assert loaded.format == 'safetensors'
    assert loaded.settings == {'variant': 'pretrain'}
    assert loaded.weights.keys() == weights.keys()
    assert all(torch.equal(loaded.weights[k], weights[k]) for k in weights)


def test_home_is_expanded(
    tmp_path: Path,
    weights: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    torch.save(weights, tmp_path / 'a.pth')
    assert load_weights_file('~/a.pth').path == tmp_path / 'a.pth'


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'none\.pth does not exist'):
        load_weights_file(tmp_path / 'none.pth')


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='is a folder'):
        load_weights_file(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    file = tmp_path / 'a.pth'
    file.touch()
    with pytest.raises(CheckpointError, match=r'is empty \(0 bytes\)'):
        load_weights_file(file)


@pytest.mark.parametrize('share', [0.01, 0.5, 0.999])
@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_a_truncated_file(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str, share: float
) -> None:
    file = tmp_path / f'a.{suffix}'
    if suffix == 'pth':
        torch.save(weights, file)
    else:
        safetensors.torch.save_file(weights, file)
    content = file.read_bytes()
    length = int(share * len(content))
    file.write_bytes(content[:length])
    with pytest.raises(
        CheckpointError, match=f'cut off after {length} bytes.*get it again'
    ):
        load_weights_file(file)


def test_damaged_files(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    file = tmp_path / 'a.pth'
    torch.save(weights, file)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        kept = {x: archive.read(x) for x in names if not x.endswith('data/7')}
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match='is damaged'):
        load_weights_file(file)
    file = tmp_path / 'a.safetensors'
    safetensors.torch.save_file(weights, file)
    content = file.read_bytes()
    file.write_bytes(content[:8] + content[8:].replace(b':', b';', 5))
    with pytest.raises(CheckpointError, match='damaged'):
        load_weights_file(file)


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'hello world\n', r"a text file, which begins with 'hello world"),
        (b'<!DOCTYPE html><html>', 'a web page.*download the file itself'),
        (b'\n <html>', 'a web page'),
        (b'\xff\xd8\xff\xe0 and so on', 'a JPEG image'),
        (b'\x1f\x8b and so on', 'a gzip archive'),
        (b'version https://git-lfs.github.com/spec/v1', 'git lfs pull'),
        (b'\x00\x01\xfe\xff', 'unknown kind'),
        (b'short', "begins with 'short'"),
    ],
)
def test_what_is_no_checkpoint_at_all(
    tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / 'a.pth'
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=f'is no checkpoint.*{told}'):
        load_weights_file(file)


def test_a_real_image(tmp_path: Path) -> None:
    image = pytest.importorskip('PIL.Image')
    file = tmp_path / 'a.pth'
    image.new('RGB', (8, 8)).save(file, 'PNG')
    with pytest.raises(CheckpointError, match='a PNG image'):
        load_weights_file(file)


def test_other_archives(tmp_path: Path) -> None:
    file = tmp_path / 'a.pth'
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('convmae_base.pth', b'inside')
    with pytest.raises(CheckpointError, match='zip archive.*convmae_base'):
        load_weights_file(file)
    torch.jit.script(nn.Linear(2, 2)).save(file)
    with pytest.raises(CheckpointError, match='TorchScript'):
        load_weights_file(file)


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        ({'model': {}, 'epoch': 3}, r"no weights.*\['epoch', 'model'\]"),
        ({'epoch': 3}, r"no weights.*\['epoch'\]"),
        ({}, r'no weights.*\[\]'),
        (torch.zeros(3), 'holds a Tensor'),
        ([1, 2], 'holds a list'),
        (
            {'optimizer': {'state': {}}, 'epoch': 3},
            'state of an optimizer and no weights',
        ),
        ({'state': {}, 'param_groups': []}, 'state of an optimizer'),
        (
            {'model': {'blocks1.0.a': torch.zeros(1), 'lr': 0.1}},
            r"no tensors: \['lr'\]",
        ),
        (
            {'model': {'blocks1.0.a': torch.zeros(1), 7: torch.zeros(1)}},
            r'no tensors: \[7\]',
        ),
        # four bytes that claim to be four terabytes
        (
            {'blocks1.0.a': torch.zeros(1).expand(10**6, 10**6)},
            'numbers are not all in it.*expanded',
        ),
        ({'blocks1.0.a': torch.eye(2).to_sparse()}, 'not all in it.*sparse'),
    ],
    ids=str,
)
def test_checkpoints_without_weights(
    tmp_path: Path, content: object, told: str
) -> None:
    file = tmp_path / 'a.pth'
    torch.save(content, file)
    with pytest.raises(CheckpointError, match=told):
        load_weights_file(file)


def test_safetensors_without_tensors(tmp_path: Path) -> None:
    file = tmp_path / 'a.safetensors'
    safetensors.torch.save_file({}, file)
    with pytest.raises(CheckpointError, match='holds no tensors'):
        load_weights_file(file)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_file_that_would_run_code(
    tmp_path: Path, weights: dict[str, Tensor], zipped: bool
) -> None:
    file, folder = tmp_path / 'a.pth', tmp_path / 'broken_in'
    torch.save(
        dict(model=weights, args=Hostile(folder)),
        file,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(
        UnsafeFileError, match=r'could run code.*asks for \w+\.mkdir'
    ) as caught:
        load_weights_file(file)
    assert isinstance(caught.value, UnpicklingError)
    # torch advises to load it regardless.
    assert 'weights_only' not in str(caught.value)
    assert not folder.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'a.pth'
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(UnsafeFileError, match=r'nn\.modules\.linear\.Linear'):
        load_weights_file(file)


def test_a_plain_pickle(tmp_path: Path) -> None:
    file, folder = tmp_path / 'a.pkl', tmp_path / 'broken_in'
    file.write_bytes(pickle.dumps({'model': Hostile(folder)}))
    with pytest.raises(UnsafeFileError, match='torch.save did not write'):
        load_weights_file(file)
    assert not folder.exists()


def test_foreign_networks_are_named_with_their_file(tmp_path: Path) -> None:
    file = tmp_path / 'mae_vit_base.pth'
    names = ('cls_token', 'blocks.0.attn.qkv.weight', 'decoder_blocks.0.x')
    torch.save({'model': {name: torch.zeros(1) for name in names}}, file)
    with pytest.raises(ForeignNetworkError, match=r'mae_vit_base.*a MAE'):
        load_weights_file(file)


@pytest.mark.parametrize('legacy', [False, True])
def test_damage_anywhere_is_an_error_of_ours(
    tmp_path: Path, legacy: bool
) -> None:
    """Cut off, or with a byte changed, at many places."""
    whole = tmp_path / 'whole.pth'
    weights = {f'blocks3.0.{name}': torch.ones(3) for name in 'abc'}
    torch.save(
        {'model': weights},
        whole,
        _use_new_zipfile_serialization=not legacy,
    )
    content = whole.read_bytes()
    damaged = tmp_path / 'damaged.pth'
    step = max(1, len(content) // 60)
    for place in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        for data in (content[:place], bytes(flipped)):
            damaged.write_bytes(data)
            try:
                read_container(damaged)
            except CheckpointError as error:
                assert 'damaged.pth' in str(error)


def test_an_archive_that_was_packed_again(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    """Compressed entries cannot be mapped; they are unpacked."""
    file, again = tmp_path / 'a.pth', tmp_path / 'again.pth'
    torch.save(dict(model=weights), file)
    with zipfile.ZipFile(file) as source:
        with zipfile.ZipFile(again, 'w', zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                target.writestr(name, source.read(name))
    assert_has(load_weights_file(again).weights, weights)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / 'bomb.pth'
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', b'\0')
        with archive.open('a/data/0', 'w') as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    with pytest.raises(CheckpointError, match='would unpack to 3145') as told:
        load_weights_file(file)
    assert 'damaged' not in str(told.value)


def test_only_files_are_read(tmp_path: Path) -> None:
    """A pipe without a writer would hold the command for ever."""
    pipe = tmp_path / 'a.pth'
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match=r'a\.pth is a pipe'):
        load_weights_file(pipe)


@pytest.mark.parametrize(
    ('value', 'told'),
    [
        (torch.tensor(float('nan')), 'NaN or infinite'),
        (torch.tensor(float('inf')), 'NaN or infinite'),
        (torch.tensor(1e300, dtype=torch.float64), 'NaN or infinite'),
        (torch.tensor(1), 'is int64'),
        (torch.tensor(True), 'is bool'),
        (torch.tensor(1j), 'is complex64'),
    ],
    ids=str,
)
def test_what_no_weight_is(
    value: Tensor, told: str, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    broken = value.expand(weights['norm.bias'].shape).contiguous()
    file = tmp_path / 'a.pth'
    torch.save(dict(model={**weights, 'norm.bias': broken}), file)
    with pytest.raises(CheckpointError, match=rf"{told}|'norm\.bias'.*{told}"):
        load_weights_file(file)
    if broken.is_floating_point():
        loaded = load_weights_file(file, finite=False)
        assert find_not_finite(loaded.weights) == ['norm.bias']


@pytest.mark.parametrize(
    ('content', 'container'),
    [
        (lambda w: {'_orig_mod.' + k: x for k, x in w.items()}, None),
        (lambda w: {'module._orig_mod.' + k: x for k, x in w.items()}, None),
        (
            lambda w: dict(
                ema_state_dict={
                    'steps': torch.tensor(3),
                    **{'module.' + k: x for k, x in w.items()},
                }
            ),
            'ema_state_dict',
        ),
        (lambda w: dict(state_dict=dict(model=w)), 'state_dict.model'),
    ],
    ids=['compiled', 'distributed', 'average', 'nested'],
)
def test_wrapped_weights(
    content, container, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    file = tmp_path / 'a.pth'
    torch.save(content(weights), file)
    loaded = load_weights_file(file)
    assert_has(loaded.weights, weights)
    assert loaded.container == container
