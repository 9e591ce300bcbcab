"""Train a config."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from convmae_mm.engine.any_sizes import drop_single_pictures
from convmae_mm.engine.cpu_amp_optim_wrapper import CpuAmpOptimWrapper
from convmae_mm.errors import ConfigError
from convmae_mm.registry import type_name, walk

from .config import (
    build_runner,
    existing_checkpoint,
    has_accelerator,
    leave_group,
    load_config,
)
from .examination import examine, keep_in_log
from .guards import add_guards, owned_work_dir, use_safe_checkpoints
from .last_words import tell_training
from .options import LOGS, TrainingOptions
from .rehearsal import Rehearsal
from .resumption import last_good_checkpoint, resumed_seed

# Initialisers of mmengine and of ours that load a file.
LOADERS = ('Pretrained', 'convmae_mm.PretrainedConvMAE')
AMP_WRAPPER = 'AmpOptimWrapper'
CPU_AMP_WRAPPER = (
    f'{CpuAmpOptimWrapper.__module__}.{CpuAmpOptimWrapper.__qualname__}'
)
AMP_ARGUMENTS = ('loss_scale', 'dtype', 'use_fsdp')


def train(config: str | Path, **options: Any) -> Runner:
    """Train a config file to the end.

    Args:
        config: Path of the config.
        **options: See :class:`convmae_mm.apis.options.TrainingOptions`.

    Returns:
        The runner, with the trained model as ``runner.model``.
    """
    cfg = training_config(config, **options)
    return run_training(cfg, options.get('check', True))


def run_training(cfg: Config, check: bool = True) -> Runner:
    """Train a config from :func:`training_config`; returns the runner.

    Args:
        cfg: The config.
        check: See :class:`convmae_mm.apis.options.TrainingOptions`.

    Raises:
        ExaminationError: If it would train wrongly.
    """
    splits = ('train', 'val') if cfg.get('val_cfg') else ('train',)
    told = examine(cfg, splits) if check else []
    with owned_work_dir(cfg):
        runner = build_runner(cfg)
        keep_in_log(runner.logger, told)
        add_guards(runner)
        drop_single_pictures(runner)
        if check and 'runner_type' not in cfg:
            # FSDP spreads a model that cannot be copied.
            runner.register_hook(Rehearsal(), priority='VERY_HIGH')
        start = time.monotonic()
        runner.train()
    tell_training(runner, time.monotonic() - start)
    atexit.register(leave_group)
    return runner


def training_config(config: str | Path, **options: Any) -> Config:
    """The config that a training with these options runs.

    A config with ``resume=True`` and no ``load_from`` resumes as
    ``resume='auto'`` does.

    Args:
        config: Path of the config.
        **options: See :class:`convmae_mm.apis.options.TrainingOptions`.

    Raises:
        FileNotFoundError: If the config, the checkpoint to resume or the
            pretrained encoder does not exist.
        ConfigError: If an option cannot act on this config.
    """
    chosen = TrainingOptions(**options)
    cfg = load_config(config, chosen)
    if cfg.get('train_cfg') is None or cfg.get('train_dataloader') is None:
        raise ConfigError(f'{config} has no train_cfg and train_dataloader')
    if chosen.resume not in (None, 'auto'):
        cfg.load_from = chosen.resume
        cfg.resume = True
    elif chosen.resume or (cfg.get('resume') and not cfg.get('load_from')):
        _resume_from_last_good(cfg)
    if cfg.get('load_from') is not None:
        cfg.load_from = existing_checkpoint(cfg.load_from)
    if chosen.amp is not None:
        _set_amp(cfg, chosen.amp)
    _fit_amp_to_device(cfg)
    if not chosen.validate:
        _leave_out_validation(cfg)
    if chosen.auto_scale_lr:
        _scale_lr(cfg)
    if chosen.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=chosen.seed)
    if chosen.log is not None:
        _add_log(cfg, chosen.log)
    if cfg.get('resume'):
        _keep_seed(cfg)
    use_safe_checkpoints(cfg)
    _check_sharding(cfg)
    _check_encoders(cfg)
    return cfg


def _resume_from_last_good(cfg: Config) -> None:
    """Continue, or start as the config says, with its ``load_from``."""
    checkpoint = last_good_checkpoint(cfg.work_dir)
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    keep = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if keep.get('max_keep_ckpts') == 1:
        print_log(
            'max_keep_ckpts=1 removes the only checkpoint before the next '
            'one is written: a run that is stopped meanwhile starts anew. '
            'Keep two: --cfg-options default_hooks.checkpoint.'
            'max_keep_ckpts=2',
            logger='current',
            level=logging.WARNING,
        )


def _keep_seed(cfg: Config) -> None:
    """Go on with the seed of the run, whose samplers are built before."""
    path = Path(cfg.load_from).expanduser()
    seed = (cfg.get('randomness') or {}).get('seed')
    if seed is None and path.is_file():
        seed = resumed_seed(path)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def _add_log(cfg: Config, log: str) -> None:
    """Tell the curves to a service besides the files of the run."""
    if log not in LOGS:
        raise ConfigError(f'{log=} must be one of {", ".join(LOGS)}')
    if importlib.util.find_spec(log) is None:
        raise ConfigError(
            f'--log {log} needs the package {log}: pip install {log}'
        )
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = list(
        visualizer.get('vis_backends') or [dict(type='LocalVisBackend')]
    )
    if all(type_name(x) != LOGS[log] for x in backends):
        backends.append(dict(type=LOGS[log]))
    cfg.visualizer = dict(visualizer, vis_backends=backends)


def _set_amp(cfg: Config, amp: bool) -> None:
    wrapper = cfg.optim_wrapper
    kind = type_name(wrapper) or 'OptimWrapper'
    if kind not in ('OptimWrapper', AMP_WRAPPER):
        raise ConfigError(
            f'mixed precision can be switched for optim_wrapper.type='
            f"'OptimWrapper' or '{AMP_WRAPPER}', not for {kind!r}"
        )
    wrapper.type = AMP_WRAPPER if amp else 'OptimWrapper'
    if not amp:
        _drop_amp_arguments(cfg)


def _fit_amp_to_device(cfg: Config) -> None:
    """Take our wrapper on CPUs, where mmengine's fails an assertion."""
    if type_name(cfg.optim_wrapper) != AMP_WRAPPER or has_accelerator():
        return
    print_log(
        'Mixed precision without a GPU: bfloat16, which pays only on a CPU '
        'with AMX or AVX512-BF16; --no-amp trains in full precision',
        logger='current',
    )
    cfg.optim_wrapper.type = CPU_AMP_WRAPPER
    _drop_amp_arguments(cfg)


def _drop_amp_arguments(cfg: Config) -> None:
    for argument in AMP_ARGUMENTS:
        cfg.optim_wrapper.pop(argument, None)


def _leave_out_validation(cfg: Config) -> None:
    keys = ('val_cfg', 'val_dataloader', 'val_evaluator')
    if all(cfg.get(key) is None for key in keys):
        raise ConfigError('this config has no validation to leave out')
    for key in keys:
        cfg[key] = None


def _scale_lr(cfg: Config) -> None:
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if not base:
        raise ConfigError(
            'the learning rate cannot be scaled: the config does not say for '
            'which batch size it is meant. Add --cfg-options '
            'auto_scale_lr.base_batch_size=N'
        )
    # mmengine compares the pictures of one iteration; with accumulation
    # several of them make one step.
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    cfg.auto_scale_lr = dict(enable=True, base_batch_size=base / steps)


def _check_sharding(cfg: Config) -> None:
    """Refuse a rule that FSDP would apply to every parameter.

    FSDP hands flat pieces of all parameters to the optimiser.
    """
    strategy = type_name(cfg.get('strategy'))
    rules = cfg.optim_wrapper.get('paramwise_cfg') or {}
    factor = rules.get('flat_decay_mult', 1.0)
    if strategy == 'FSDPStrategy' and factor != 1.0:
        raise ConfigError(
            f'flat_decay_mult={factor} would meet every parameter under '
            'FSDP, whose pieces are all flat. Norms and biases have rules '
            'of their own; add to the config: '
            'optim_wrapper = dict(paramwise_cfg=dict(flat_decay_mult=1.0))'
        )


def _check_encoders(cfg: Config) -> None:
    """Say early, and with the way out, that the encoder is missing."""
    for key, init_cfg in walk(cfg.model, 'model'):
        if (
            not isinstance(init_cfg, Mapping)
            or init_cfg.get('type') not in LOADERS
            or 'checkpoint' not in init_cfg
        ):
            continue
        try:
            existing_checkpoint(init_cfg['checkpoint'])
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{key}: {error}. Pretrain it first, name another one with '
                f'--cfg-options {key}.checkpoint=FILE, or start from scratch '
                f'with --cfg-options {key}=None'
            ) from None
