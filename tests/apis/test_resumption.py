"""A stopped run goes on from the last checkpoint that is whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from tiny_pretraining import MODEL

from convmae_mm import apis
from convmae_mm.apis.resumption import last_good_checkpoint, why_not_whole

# Eight 32-pixel pictures, four in a step: two steps an epoch, eight in all.
TINY_CONFIG = f"""{MODEL}train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='convmae_mm.UnlabelledImageFolder',
        data_root='DATA',
        pipeline=[
            dict(type='convmae_mm.LoadRGBImage'),
            dict(type='PackInputs'),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=3, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.1, T_max=8, by_epoch=False),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
"""


@pytest.fixture
def config(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(8):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        mmcv.imwrite(pixels, str(tmp_path / 'data' / f'{index}.png'))
    path = tmp_path / 'tiny.py'
    path.write_text(TINY_CONFIG.replace('DATA', str(tmp_path / 'data')))
    return path


def log(work_dir: Path) -> Path:
    """The latest run's scalars."""
    return max(work_dir.glob('*/vis_data/*.json'), key=os.path.getmtime)


def steps(work_dir: Path) -> list[tuple[int, float]]:
    """Iteration and learning rate, as the latest run logged them."""
    lines = [json.loads(x) for x in log(work_dir).read_text().splitlines()]
    return [(x['step'], x['lr']) for x in lines]


def train(config: Path, work_dir: Path, **options):
    """Train under a name of its own: mmengine tells runs apart by seconds."""
    name = {'experiment_name': f'{work_dir.name}_{len(options)}'}
    return apis.train(config, work_dir=work_dir, cfg_options=name, **options)


@pytest.mark.slow
def test_a_run_killed_while_saving_goes_on_where_it_was_whole(
    config, tmp_path
):
    whole = train(config, tmp_path / 'whole', seed=0)
    work_dir = tmp_path / 'killed'
    script = Path(__file__).with_name('killed_training.py')
    died = subprocess.run(
        [sys.executable, script, config, work_dir, 'epoch_3.pth'],
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert steps(work_dir)[-1][0] == 6
    cut = work_dir / 'epoch_3.pth'
    # half a file, but not under its name
    assert not cut.exists()
    assert list(work_dir.glob('.epoch_3.pth.*'))

    log(work_dir).unlink()  # runs of the same second share a log
    resumed = train(config, work_dir, resume='auto')
    expected = steps(tmp_path / 'whole')
    assert [x for x, _ in expected] == list(range(1, 9))
    # From the end of epoch 2 on, the same iterations at the same rates.
    assert [x for x, _ in steps(work_dir)] == [5, 6, 7, 8]
    assert [x for _, x in steps(work_dir)] == pytest.approx(
        [x for _, x in expected[4:]]
    )
    assert resumed.iter == whole.iter == 8
    assert [x.last_step for x in resumed.param_schedulers] == [
        x.last_step for x in whole.param_schedulers
    ]
    assert why_not_whole(cut) is None
    assert not list(work_dir.glob('.epoch_3.pth.*'))
    for name, tensor in whole.model.state_dict().items():
        same = torch.allclose(tensor, resumed.model.state_dict()[name])
        assert same, name
    assert last_good_checkpoint(work_dir) == work_dir / 'epoch_4.pth'


def save(path: Path, **more) -> Path:
    content = dict(
        state_dict=dict(w=torch.rand(4096)),
        optimizer={},
        message_hub={},
        meta=dict(iter=1),
    )
    path.parent.mkdir(exist_ok=True)
    torch.save(content | more, path)
    return path


def zero_a_block(path: Path) -> None:
    """The length is right; a block of the middle never reached the disk."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 512] = bytes(512)
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    'half': cut_in_half,
    'a block lost': zero_a_block,
    'empty': lambda path: path.write_bytes(b''),
    'weights alone': lambda path: torch.save({'state_dict': {}}, path),
    'not finite': lambda path: save(
        path, state_dict=dict(w=torch.tensor([1.0, float('nan')]))
    ),
    'no checkpoint': lambda path: path.write_text('<!doctype html>'),
}


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize('named', ['epoch_2.pth', 'epoch_3.pth', ''])
def test_damaged_checkpoints_are_passed_over(tmp_path, damage, named, caplog):
    for step in (1, 2, 3):
        save(tmp_path / f'epoch_{step}.pth')
    (tmp_path / 'last_checkpoint').write_text(named and str(tmp_path / named))
    assert last_good_checkpoint(tmp_path).name == 'epoch_3.pth'
    DAMAGES[damage](tmp_path / 'epoch_3.pth')
    assert last_good_checkpoint(tmp_path).name == 'epoch_2.pth'
    DAMAGES[damage](tmp_path / 'epoch_2.pth')
    assert last_good_checkpoint(tmp_path).name == 'epoch_1.pth'
    DAMAGES[damage](tmp_path / 'epoch_1.pth')
    assert last_good_checkpoint(tmp_path) is None


def test_steps_are_numbers(tmp_path):
    for step in (9, 10, 100):
        save(tmp_path / f'iter_{step}.pth')
    assert last_good_checkpoint(tmp_path).name == 'iter_100.pth'


def test_an_older_and_longer_run_is_left_alone(tmp_path):
    old = save(tmp_path / 'epoch_90.pth')
    os.utime(old, (0, 0))
    new = save(tmp_path / 'epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text(str(new))
    assert last_good_checkpoint(tmp_path) == new


def test_other_files_are_no_candidates(tmp_path):
    save(tmp_path / 'best_coco_bbox_mAP_epoch_7.pth')
    save(tmp_path / 'encoder.pth')
    assert last_good_checkpoint(tmp_path) is None
    assert last_good_checkpoint(tmp_path / 'none') is None


def test_a_moved_work_directory_goes_on(tmp_path):
    save(tmp_path / 'old' / 'epoch_1.pth')
    save(tmp_path / 'old' / 'epoch_2.pth')
    pointer = tmp_path / 'old' / 'last_checkpoint'
    pointer.write_text(str(tmp_path / 'old' / 'epoch_2.pth'))
    shutil.move(tmp_path / 'old', tmp_path / 'new')
    found = last_good_checkpoint(tmp_path / 'new')
    assert found == tmp_path / 'new' / 'epoch_2.pth'


def test_a_first_start_keeps_the_weights_that_the_config_names(
    config, tmp_path
):
    weights = save(tmp_path / 'weights.pth')
    options = dict(work_dir=tmp_path / 'w', resume='auto')
    load = {'load_from': str(weights)}
    cfg = apis.training_config(config, **options, cfg_options=load)
    assert (cfg.resume, cfg.load_from) == (False, str(weights))
    mine = save(tmp_path / 'w' / 'epoch_1.pth')
    cfg = apis.training_config(config, **options, cfg_options=load)
    assert (cfg.resume, cfg.load_from) == (True, str(mine))
    # A config may ask for it as well.
    cfg = apis.training_config(
        config, work_dir=tmp_path / 'w', cfg_options={'resume': True}
    )
    assert (cfg.resume, cfg.load_from) == (True, str(mine))


@pytest.mark.parametrize('option', ['resume', 'load_from'])
def test_a_folder_in_place_of_a_checkpoint_is_told(config, tmp_path, option):
    save(tmp_path / 'run' / 'epoch_1.pth')
    folder = str(tmp_path / 'run')
    options = {'resume': folder}
    if option == 'load_from':
        options = {'cfg_options': {'load_from': folder}}
    with pytest.raises(FileNotFoundError, match=r'a folder; .* epoch_1\.pth'):
        apis.training_config(config, work_dir=tmp_path / 'w', **options)
