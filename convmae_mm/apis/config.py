"""What training and testing have in common: reading and checking a config."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from convmae_mm.datasets.coco_by_name import read_coco_by_name
from convmae_mm.engine.any_sizes import accept_any_sizes
from convmae_mm.engine.quiet_terminal import hush_imports, quiet
from convmae_mm.errors import ConfigError, UserError
from convmae_mm.registry import SCOPE, scope_of
from convmae_mm.shipped import find_config as find_config

from .guards import fit_loaders
from .options import LAUNCHERS, RunOptions
from .overrides import apply_overrides
from .variables import read_with_variables

CONFIG_SUFFIXES = ('.py', '.json', '.yaml', '.yml')
SYNC_BN = ('SyncBN', 'MMSyncBN')
# What is a dict of settings in every config.
SECTIONS = (
    *('model', 'optim_wrapper', 'train_cfg', 'val_cfg', 'test_cfg'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader'),
    *('default_hooks', 'env_cfg', 'randomness'),
)
# Where something is built from settings, or a list of them.
_BUILT = (
    *('custom_hooks', 'param_scheduler', 'visualizer', 'log_processor'),
    *('val_evaluator', 'test_evaluator'),
    *(
        f'{split}_dataloader.{key}'
        for split in ('train', 'val', 'test')
        for key in ('dataset', 'dataset.pipeline', 'dataset.filter_cfg')
        + ('dataset.metainfo', 'sampler', 'batch_sampler', 'collate_fn')
    ),
)
_NUMBERS = tuple(
    f'{split}_dataloader.{key}'
    for split in ('train', 'val', 'test')
    for key in ('batch_size', 'num_workers')
)


def load_config(config: str | Path, options: RunOptions) -> Config:
    """Read a config file, apply overrides and settle where output goes.

    Args:
        config: Path of the file.
        options: Those for the work directory, the launcher and overrides.

    Raises:
        FileNotFoundError: If the config does not exist.
        ConfigError: If it cannot be read, an override cannot act, or the
            launcher does not fit the environment.
    """
    hush_imports()
    path = Path(config)
    cfg, overrides = _read(path, options.cfg_options or {})
    _drop_own_scope(cfg._cfg_dict)
    apply_overrides(cfg, overrides)
    if options.work_dir is not None:
        cfg.work_dir = str(options.work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / path.stem)
    cfg.launcher = options.launcher
    _check_sections(cfg)
    fit_loaders(cfg)
    _check_launcher(options.launcher)
    if options.launcher != 'none' and not has_accelerator():
        _distribute_on_cpus(cfg, options.launcher)
    return cfg


def _check_sections(cfg: Config) -> None:
    """Refuse a value where the runner needs settings."""
    for key in SECTIONS:
        value = cfg.get(key)
        if value is not None and not isinstance(value, dict):
            raise ConfigError(
                f'{key}={value!r} must be a dict of settings or None; a '
                f'single one of them is {key}.NAME=VALUE'
            )
    for key in _BUILT:
        value = _value_at(cfg, key)
        if isinstance(value, (bool, int, float, str)):
            raise ConfigError(
                f'{key}={value!r} must be a dict of settings, or a list of '
                'such'
            )
    for key in _NUMBERS:
        value = _value_at(cfg, key)
        if value is not None and type(value) is not int:
            raise ConfigError(f'{key}={value!r} must be a whole number')


def _value_at(cfg: Config, key: str) -> Any:
    """What stands at the dotted key; None where there is nothing."""
    first, *rest = key.split('.')
    found = cfg.get(first)
    for name in rest:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _read(
    path: Path, overrides: Mapping[str, Any]
) -> tuple[Config, dict[str, Any]]:
    if path.is_dir():
        raise ConfigError(f'config {path} is a folder')
    if not path.is_file():
        raise FileNotFoundError(f'config {path} does not exist')
    if path.suffix not in CONFIG_SUFFIXES:
        raise ConfigError(
            f'config {path} must end in one of {", ".join(CONFIG_SUFFIXES)}'
        )
    try:
        return read_with_variables(path, overrides)
    except UserError:
        raise
    except Exception as error:  # a config is a program: whatever it raises
        raise ConfigError(
            f'config {path} cannot be read: {type(error).__name__}: {error}'
        ) from error


def mend_libraries(cfg: Config) -> None:
    """Let what a config uses of the libraries read labels and sizes rightly.

    To be called before data are read, and again once the model is built.
    """
    if scope_of(cfg) == 'mmdet':
        read_coco_by_name()
    accept_any_sizes()


def build_runner(cfg: Config) -> Runner:
    """The runner of a config from :func:`load_config`.

    Raises:
        ConfigError: If several processes on CPUs are to train SyncBN.
    """
    mend_libraries(cfg)
    # mmengine would select a GPU for the process; without one the group has
    # to exist before.
    if cfg.launcher == 'pytorch' and not has_accelerator():
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group('gloo')
    if cfg.get('visualizer'):
        # mmengine keeps one for each name: a second run in this process
        # would write its curves into the folder of the first.
        cfg.visualizer.name = f'visualizer-{time.time_ns()}'
    if 'runner_type' in cfg:
        # mmengine's runner for strategies such as FSDP; it builds the model
        # when the training starts.
        return quiet(RUNNERS.get(cfg.runner_type)).from_cfg(cfg)
    if cfg.launcher != 'none' and not has_accelerator():
        # DistributedDataParallel would refuse it in words of its own
        reject_sync_bn(cfg.model)
    runner = quiet(Runner).from_cfg(cfg)
    mend_libraries(cfg)
    return runner


def leave_group() -> None:
    """End gloo's threads while Python is whole; at the exit of what went well.

    One that still holds tensors of the last exchange when Python ends aborts
    the process, and torchrun calls a training failed that was complete. After
    an error it would wait for exchanges with processes that are gone.
    """
    if not torch.distributed.is_initialized():
        return
    if torch.distributed.get_backend() == 'gloo':
        gc.collect()  # a model that nobody needs any more holds the group too
        torch.distributed.destroy_process_group()


def has_accelerator() -> bool:
    """Whether mmengine will put the model on something else than the CPU."""
    device: str = get_device()
    return device != 'cpu'


def reject_sync_bn(part: Any, key: str = 'model') -> None:
    """Refuse what several processes on CPUs cannot train.

    Raises:
        ConfigError: If a part of a model has SyncBN layers; names the key.
    """
    if isinstance(part, dict):
        if part.get('type') in SYNC_BN:
            raise ConfigError(
                'SyncBN cannot train in several processes on CPUs: '
                f"--cfg-options {key}.type='BN'"
            )
        for name, value in part.items():
            reject_sync_bn(value, f'{key}.{name}')
    elif isinstance(part, (list, tuple)):
        for index, value in enumerate(part):
            reject_sync_bn(value, f'{key}.{index}')


def existing_checkpoint(checkpoint: str | Path) -> str:
    """The path of a checkpoint as mmengine takes it; URLs pass unchecked.

    Raises:
        FileNotFoundError: If it is a local path and there is no such file.
    """
    text = str(checkpoint)
    path = Path(text).expanduser()
    if '://' in text or path.is_file():
        return text
    if not path.is_dir():
        raise FileNotFoundError(f'checkpoint {text} does not exist')
    there = sorted(x.name for x in path.glob('*.pth'))
    raise FileNotFoundError(
        f'checkpoint {text} is a folder; name a file in it, which holds '
        f'{", ".join(there) or "no checkpoint (*.pth)"}'
    )


def _drop_own_scope(part: Any) -> None:
    """Let the modules of mmdet and others be found in inherited configs.

    mmengine marks every dict that is inherited from ``convmae_mm::...`` with
    this scope, and would look for other libraries' modules there. Configs
    name ours in full, so that nothing needs the mark.
    """
    if isinstance(part, dict):
        if part.get('_scope_') == SCOPE:
            del part['_scope_']
        for value in part.values():
            _drop_own_scope(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            _drop_own_scope(value)


def _check_launcher(launcher: str) -> None:
    if launcher not in LAUNCHERS:
        raise ConfigError(f'{launcher=} must be one of {LAUNCHERS}')
    processes = int(os.environ.get('WORLD_SIZE', 1))
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise ConfigError(
            "launcher='pytorch' needs torchrun, for example: torchrun "
            '--nproc-per-node=8 tools/train.py CONFIG --launcher pytorch'
        )
    if launcher == 'none' and processes > 1:
        raise ConfigError(
            f'torchrun started {processes} processes, but launcher is '
            "'none', so that each would train alone: add --launcher pytorch"
        )


def _distribute_on_cpus(cfg: Config, launcher: str) -> None:
    if launcher != 'pytorch':
        raise ConfigError(
            f'{launcher=} assigns GPUs and there is none here; several '
            'processes on CPUs need torchrun and --launcher pytorch'
        )
    print_log('No GPU: the processes talk through gloo', logger='current')
    cfg.merge_from_dict({'env_cfg.dist_cfg': {'backend': 'gloo'}})
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    # mmengine's default names the GPU of the process.
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)
