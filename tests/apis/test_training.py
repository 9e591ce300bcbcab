from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from sessions import free_port
from tiny_pretraining import MODEL

from convmae_mm import apis
from convmae_mm.apis.config import (
    build_runner,
    load_config,
    reject_sync_bn,
)
from convmae_mm.apis.options import RunOptions
from convmae_mm.apis.resumption import last_good_checkpoint
from convmae_mm.cli import main
from convmae_mm.errors import CheckpointError, ConfigError
from convmae_mm.processes import FolderInUseError, own_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

# Eight 32-pixel pictures, four in a step: two steps an epoch.
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
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05),
    constructor='convmae_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.5),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min_ratio=0.1, T_max=4, by_epoch=False)
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""


@pytest.fixture
def config(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(8):
        picture = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        mmcv.imwrite(picture, str(tmp_path / 'data' / f'{index}.png'))
    path = tmp_path / 'tiny.py'
    path.write_text(TINY_CONFIG.replace('DATA', str(tmp_path / 'data')))
    return path


def logged(work_dir: Path) -> list[dict]:
    """The training steps of the latest run, as the logger wrote them."""
    file = max(work_dir.glob('*/vis_data/*.json'), key=os.path.getmtime)
    return [json.loads(line) for line in file.read_text().splitlines()]


def train_apart(config: Path, work_dir: Path, **options) -> Runner:
    """Train under a name of its own.

    mmengine tells runs of one process apart by the second of their start.
    """
    name = {'experiment_name': work_dir.name}
    options['cfg_options'] = name | options.get('cfg_options', {})
    return apis.train(config, work_dir=work_dir, **options)


def learning_rates(runner: Runner) -> list[float]:
    groups = runner.optim_wrapper.optimizer.param_groups
    return [group['lr'] for group in groups]


def test_a_resumed_training_continues_and_loads_safely(
    config, tmp_path, monkeypatch
):
    whole = train_apart(config, work_dir=tmp_path / 'whole', seed=0)
    # as if it had been stopped after the first epoch
    work_dir = tmp_path / 'stopped'
    work_dir.mkdir()
    shutil.copy(tmp_path / 'whole' / 'epoch_1.pth', work_dir)
    checkpoint = work_dir / 'epoch_1.pth'
    (work_dir / 'last_checkpoint').write_text(str(checkpoint))
    calls = []
    load = torch.load

    def recording_load(*args, **kwargs):
        calls.append(kwargs.get('weights_only'))
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, 'load', recording_load)
    second = train_apart(config, work_dir=work_dir, resume='auto', seed=0)
    # once to verify it, once to resume
    assert calls == [True, True]
    assert second.iter == 4
    steps = logged(work_dir)
    assert [step['step'] for step in steps] == [3, 4]
    assert [step['lr'] for step in steps] == pytest.approx(
        [step['lr'] for step in logged(tmp_path / 'whole')[2:]]
    )
    assert learning_rates(second) == learning_rates(whole)
    # the loss curve goes on too: mmengine resumes its message hub
    assert len(second.message_hub.get_scalar('train/loss').data[0]) == 4


def test_resume_takes_a_file(config, tmp_path):
    train_apart(config, work_dir=tmp_path / 'a')
    checkpoint = tmp_path / 'a' / 'epoch_1.pth'
    runner = train_apart(config, work_dir=tmp_path / 'b', resume=checkpoint)
    assert [step['step'] for step in logged(tmp_path / 'b')] == [3, 4]
    assert runner.iter == 4


def test_options_reach_the_runner(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = apis.training_config(
        config, seed=7, cfg_options={'train_dataloader.batch_size': 2}
    )
    assert cfg.work_dir == 'work_dirs/tiny'
    assert cfg.randomness.seed == 7
    assert cfg.train_dataloader.batch_size == 2
    cfg = apis.training_config(config, work_dir='elsewhere')
    assert cfg.work_dir == 'elsewhere'


def test_the_learning_rate_scales_with_accumulation_and_batch(
    config, tmp_path
):
    runner = apis.train(
        config,
        work_dir=tmp_path / 'work',
        auto_scale_lr=True,
        cfg_options={
            'auto_scale_lr.base_batch_size': 16,
            'optim_wrapper.accumulative_counts': 2,
            'param_scheduler': [],
            'train_cfg.max_epochs': 1,
        },
    )
    # 4 pictures x 2 steps for a recipe of 16
    assert max(learning_rates(runner)) == pytest.approx(0.01 * 8 / 16)


@pytest.mark.skipif(torch.cuda.is_available(), reason='for CPUs')
@pytest.mark.parametrize('amp', [True, None])
def test_mixed_precision_on_a_cpu_is_bfloat16(config, tmp_path, amp):
    options = {'train_cfg.max_epochs': 1}
    if amp is None:  # as a config for GPUs has it
        options |= {
            'optim_wrapper.type': 'AmpOptimWrapper',
            'optim_wrapper.loss_scale': 'dynamic',
        }
    seen = []
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, args, output: (
            seen.append(output.dtype)
            if isinstance(module, torch.nn.Linear)
            else None
        )
    )
    try:
        runner = apis.train(
            config, work_dir=tmp_path / 'w', amp=amp, cfg_options=options
        )
    finally:
        hook.remove()
    assert set(seen) == {torch.bfloat16}
    loss = runner.message_hub.get_scalar('train/loss').current()
    assert np.isfinite(loss)
    assert {p.dtype for p in runner.model.parameters()} == {torch.float32}


def test_mixed_precision_is_switched_off(config):
    cfg = apis.training_config(
        config,
        amp=False,
        cfg_options={
            'optim_wrapper.type': 'AmpOptimWrapper',
            'optim_wrapper.dtype': 'float16',
        },
    )
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert 'dtype' not in cfg.optim_wrapper


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'auto_scale_lr': True}, 'auto_scale_lr.base_batch_size=N'),
        ({'validate': False}, 'no validation'),
        ({'launcher': 'pytorch'}, 'torchrun'),
        ({'launcher': 'horovod'}, "'horovod'"),
        (
            {'amp': True, 'cfg_options': {'optim_wrapper.type': 'Mine'}},
            "'Mine'",
        ),
        ({'cfg_options': {'optim_wraper.optimizer.lr': 1}}, 'optim_wraper'),
        ({'cfg_options': {'train_dataloader': None}}, 'train_dataloader'),
    ],
)
def test_options_that_cannot_act_are_refused(config, options, message):
    with pytest.raises(ValueError, match=message):
        apis.training_config(config, **options)


def test_processes_that_would_train_alone_are_refused(config, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(ValueError, match='--launcher pytorch'):
        apis.training_config(config)


def test_missing_files_are_named(config, tmp_path):
    with pytest.raises(FileNotFoundError, match='config none.py'):
        apis.training_config('none.py')
    with pytest.raises(FileNotFoundError, match='checkpoint none.pth'):
        apis.training_config(config, resume='none.pth')
    with pytest.raises(FileNotFoundError, match='checkpoint none.pth'):
        apis.testing_config(config_with_test(config), 'none.pth')


def test_a_missing_encoder_is_told_with_the_ways_out(config):
    init_cfg = dict(type='Pretrained', checkpoint='enc.pth', prefix='b.')
    options = {'model.backbone.init_cfg': init_cfg}
    with pytest.raises(FileNotFoundError) as caught:
        apis.training_config(config, cfg_options=options)
    message = str(caught.value)
    assert 'enc.pth' in message
    assert 'model.backbone.init_cfg.checkpoint=FILE' in message
    assert 'model.backbone.init_cfg=None' in message
    options['model.backbone.init_cfg'] = None
    assert apis.training_config(config, cfg_options=options)


def config_with_test(config: Path) -> Path:
    path = config.with_name('with_test.py')
    path.write_text(
        config.read_text()
        + 'test_cfg = dict()\ntest_dataloader = train_dataloader\n'
        + "test_evaluator = dict(type='Accuracy')\n"
    )
    return path


def test_testing_needs_something_to_test(config, tmp_path):
    checkpoint = tmp_path / 'c.pth'
    torch.save({}, checkpoint)
    with pytest.raises(ValueError, match='pretraining has no score'):
        apis.testing_config(config, checkpoint)
    cfg = apis.testing_config(config_with_test(config), checkpoint)
    with pytest.raises(ValueError, match=r"'s.txt' must end in"):
        apis.run_test(cfg, out='s.txt')


def test_a_checkpoint_of_another_model_is_refused(config, tmp_path):
    checkpoint = tmp_path / 'c.pth'
    weights = {'backbone.pos_embed': torch.zeros(3)}
    torch.save(dict(state_dict=weights), checkpoint)
    with pytest.raises(ValueError, match='1 of another shape') as caught:
        apis.test(
            config_with_test(config), checkpoint, work_dir=tmp_path / 'w'
        )
    assert 'missing: backbone.' in str(caught.value)
    assert 'pos_embed (3,) instead of (1, 4, 32)' in str(caught.value)


def test_weights_that_are_not_finite_are_not_tested(config, tmp_path):
    checkpoint = tmp_path / 'c.pth'
    weights = {'backbone.pos_embed': torch.tensor([float('nan')])}
    torch.save(dict(state_dict=weights), checkpoint)
    with pytest.raises(ValueError, match='1 of 1 tensors .* not finite'):
        apis.test(
            config_with_test(config), checkpoint, work_dir=tmp_path / 'w'
        )


def trained(config: Path, work_dir: Path) -> Path:
    options = {'train_cfg.max_epochs': 1}
    train_apart(config, work_dir, cfg_options=options)
    return work_dir / 'epoch_1.pth'


def test_a_training_that_breaks_ends_in_one_line(config, tmp_path, capsys):
    trained(config, tmp_path / 'w')
    lr = 'optim_wrapper.optimizer.lr=1e30'
    command = ['train', str(config), '--work-dir', str(tmp_path / 'w')]
    load = f'load_from={tmp_path}/w/epoch_1.pth'
    assert main([*command, '--cfg-options', lr, load]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'stopped in iteration 2: loss is nan' in error
    assert 'backbone.' in error
    # the checkpoint of before is the last one, and what a resume takes
    found = last_good_checkpoint(tmp_path / 'w')
    assert found == tmp_path / 'w' / 'epoch_1.pth'


def renamed(name: str) -> str:
    return f'module._orig_mod.{name}'


@pytest.mark.parametrize('kind', ['prefixed', 'nested', 'ema', 'foreign'])
def test_load_from_finds_weights_or_is_refused(config, tmp_path, kind):
    checkpoint = trained(config, tmp_path / 'w')
    content = torch.load(checkpoint, weights_only=True)
    weights = content['state_dict']
    content = {
        'prefixed': dict(state_dict={renamed(k): weights[k] for k in weights}),
        'nested': dict(model=weights),
        'ema': dict(ema_state_dict=weights, meta={}),
        'foreign': dict(state_dict={'layer1.weight': torch.ones(3)}),
    }[kind]
    file = tmp_path / 'file.pth'
    torch.save(content, file)
    options = {'load_from': str(file), 'optim_wrapper.optimizer.lr': 1e-30}
    if kind == 'prefixed':
        runner = train_apart(config, tmp_path / kind, cfg_options=options)
        for name, tensor in runner.model.state_dict().items():
            assert torch.equal(tensor, weights[name]), name
        return
    with pytest.raises(CheckpointError, match='fills 0% of the weights'):
        train_apart(config, tmp_path / kind, cfg_options=options)


def test_load_from_leaves_out_what_is_of_another_shape(config, tmp_path):
    checkpoint = trained(config, tmp_path / 'w')
    options = {'load_from': str(checkpoint), 'model.neck.embed_dims': 32}
    options['train_cfg.max_epochs'] = 1
    runner = train_apart(config, tmp_path / 'v', cfg_options=options)
    assert runner.iter == 2
    log = next((tmp_path / 'v').glob('*/*.log')).read_text()
    assert 'neck.blocks.0.norm1.bias (16,) instead of (32,)' in log


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.neck.embed_dims': 32}, 'of another shape: neck'),
        ({'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0}, None),
        (
            {'optim_wrapper.constructor': 'DefaultOptimWrapperConstructor'},
            'groups',
        ),
    ],
)
def test_a_resume_demands_the_same_model_and_optimiser(
    config, tmp_path, options, message
):
    checkpoint = trained(config, tmp_path / 'w')
    if message is None:
        runner = train_apart(
            config, tmp_path / 'w', resume=checkpoint, cfg_options=options
        )
        assert runner.iter == 4
        return
    if 'optim_wrapper.constructor' in options:
        options = options | {'optim_wrapper.paramwise_cfg': None}
    with pytest.raises(CheckpointError, match=message):
        train_apart(
            config, tmp_path / 'w', resume=checkpoint, cfg_options=options
        )


def test_two_trainings_in_one_folder_are_refused(config, tmp_path):
    with own_folder(tmp_path / 'w'):
        with pytest.raises(FolderInUseError, match=f'process {os.getpid()}'):
            apis.train(config, work_dir=tmp_path / 'w')
        assert [x.name for x in (tmp_path / 'w').iterdir()] == ['.lock']


def test_a_resumed_training_draws_what_a_whole_one_does(config, tmp_path):
    options = {'train_cfg.max_epochs': 3}
    options['train_dataloader.dataset.pipeline'] = [
        dict(type='convmae_mm.LoadRGBImage'),
        dict(type='RandomResizedCrop', scale=32),
        dict(type='PackInputs'),
    ]
    whole = train_apart(
        config, tmp_path / 'whole', seed=3, cfg_options=options
    )
    (tmp_path / 'w').mkdir()
    shutil.copy(tmp_path / 'whole' / 'epoch_1.pth', tmp_path / 'w')
    resumed = train_apart(
        config, tmp_path / 'w', seed=3, resume='auto', cfg_options=options
    )
    assert resumed.iter == whole.iter == 6
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_runs_of_one_process_keep_their_curves_apart(config, tmp_path):
    config.write_text(
        config.read_text()
        + "visualizer = dict(type='Visualizer', name='visualizer',\n"
        "    vis_backends=[dict(type='LocalVisBackend')])\n"
    )
    for name in ('first', 'second'):
        work_dir = tmp_path / name
        options = {'train_cfg.max_epochs': 1}
        apis.train(config, work_dir=work_dir, cfg_options=options)
        assert len(logged(work_dir)) == 2


def test_no_gpu_means_gloo_and_no_device_ids(config, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setattr(
        'convmae_mm.apis.config.has_accelerator', lambda: False
    )
    cfg = load_config(config, RunOptions(launcher='pytorch'))
    assert cfg.env_cfg.dist_cfg.backend == 'gloo'
    assert cfg.model_wrapper_cfg.device_ids is None
    with pytest.raises(ValueError, match='assigns GPUs'):
        load_config(config, RunOptions(launcher='slurm'))


def test_sync_bn_on_cpus_is_refused_before_the_model_is_built():
    cfg = Config(
        dict(
            model=dict(neck=[dict(norm_cfg=dict(type='SyncBN'))]),
            launcher='pytorch',
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('convmae_mm.apis.config.has_accelerator', lambda: False)
        patch.setattr('torch.distributed.is_initialized', lambda: True)
        with pytest.raises(ConfigError, match=r'model\.neck\.0\.norm_cfg'):
            build_runner(cfg)
    reject_sync_bn(dict(norm_cfg=dict(type='BN')))


def test_the_command_line_trains(config, tmp_path, monkeypatch, capsys):
    work_dir = tmp_path / 'a folder'
    code = main(
        [
            *('train', str(config), '--work-dir', str(work_dir)),
            *('--seed', '3', '--cfg-options', 'train_cfg.max_epochs=1'),
            'model.mask_ratio=0.5',
        ]
    )
    assert code == 0
    cfg = Config.fromfile(work_dir / 'tiny.py')
    assert (cfg.model.mask_ratio, cfg.randomness.seed) == (0.5, 3)
    assert (work_dir / 'epoch_1.pth').is_file()
    assert main(['train', str(config), '--auto-scale-lr']) == 1
    assert 'convmae-mm train: the learning rate' in capsys.readouterr().err
    assert main(['test', str(config), 'none.pth']) == 1
    assert 'nothing to test' in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_together(config, tmp_path):
    """Through the launcher script: gloo, arguments with spaces."""
    work_dir = tmp_path / 'a folder'
    env = dict(os.environ, OMP_NUM_THREADS='1', PORT=str(free_port()))
    env |= dict(PYTHON=sys.executable, CUDA_VISIBLE_DEVICES='')
    command = [
        *('bash', str(ROOT / 'tools' / 'dist_train.sh'), str(config), '2'),
        *('--work-dir', str(work_dir), '--seed', '0', '--cfg-options'),
        *('train_cfg.max_epochs=1', 'train_dataloader.batch_size=2'),
    ]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    # 8 pictures over 2 processes x 2 pictures: 2 steps, logged once
    assert [step['step'] for step in logged(work_dir)] == [1, 2]
    assert (work_dir / 'epoch_1.pth').is_file()


# What runs last sees the threads that Python will end under.
WATCHED = """
import atexit, pathlib, sys

def show_threads():
    for name in pathlib.Path('/proc/self/task').glob('*/comm'):
        print('thread', name.read_text().strip())

atexit.register(show_threads)
from convmae_mm.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_gloo_ends_before_python_does(config, tmp_path):
    """Its threads abort a process whose Python has ended before them."""
    place = dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0')
    place |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port()))
    done = subprocess.run(
        [
            *(sys.executable, '-c', WATCHED, 'train', config, '--launcher'),
            *('pytorch', '--no-check', '--work-dir', tmp_path / 'work'),
        ],
        env=dict(os.environ, CUDA_VISIBLE_DEVICES='', **place),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    threads = [x for x in done.stdout.splitlines() if x.startswith('thread')]
    assert threads
    assert not [x for x in threads if 'gloo' in x]
