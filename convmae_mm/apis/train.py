"""Train a config."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from convmae_mm.engine.cpu_amp_optim_wrapper import CpuAmpOptimWrapper

from .config import (
    build_runner,
    existing_checkpoint,
    has_accelerator,
    load_config,
)
from .resumption import last_good_checkpoint

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
        **options: See :func:`training_config`.

    Returns:
        The runner, with the trained model as ``runner.model``.
    """
    return run_training(training_config(config, **options))


def run_training(cfg: Config) -> Runner:
    """Train a config from :func:`training_config`; returns the runner."""
    runner = build_runner(cfg)
    runner.train()
    return runner


def training_config(
    config: str | Path,
    *,
    work_dir: str | Path | None = None,
    resume: str | Path | None = None,
    amp: bool | None = None,
    validate: bool = True,
    auto_scale_lr: bool = False,
    seed: int | None = None,
    launcher: str = 'none',
    cfg_options: Mapping[str, Any] | None = None,
) -> Config:
    """The config that a training with these options runs.

    Args:
        config: Path of the config.
        work_dir: See :func:`convmae_mm.apis.config.load_config`.
        resume: A checkpoint to continue from, or 'auto' for the latest whole
            one in the work directory (from the start if there is none). A
            config with ``resume=True`` and no ``load_from`` does the latter.
        amp: Train in mixed precision or not; None leaves it to the config.
            Without a GPU that is bfloat16, by
            :class:`convmae_mm.engine.CpuAmpOptimWrapper`.
        validate: False leaves out the config's validation.
        auto_scale_lr: Scale the learning rate linearly from the config's
            ``auto_scale_lr.base_batch_size`` to the actual batch size, which
            counts processes and gradient accumulation.
        seed: Seed of all random numbers, instead of the config's.
        launcher: See :func:`convmae_mm.apis.config.load_config`.
        cfg_options: Overrides of the config, from dotted keys to values.

    Raises:
        FileNotFoundError: If the config, the checkpoint to resume or the
            pretrained encoder does not exist.
        ValueError: If an option cannot act on this config.
    """
    cfg = load_config(config, work_dir, launcher, cfg_options)
    if cfg.get('train_cfg') is None or cfg.get('train_dataloader') is None:
        raise ValueError(f'{config} has no train_cfg and train_dataloader')
    if resume is not None and resume != 'auto':
        cfg.load_from = existing_checkpoint(resume)
        cfg.resume = True
    elif resume == 'auto' or (cfg.get('resume') and not cfg.get('load_from')):
        _resume_from_last_good(cfg)
    if amp is not None:
        _set_amp(cfg, amp)
    _fit_amp_to_device(cfg)
    if not validate:
        _leave_out_validation(cfg)
    if auto_scale_lr:
        _scale_lr(cfg)
    if seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
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


def _set_amp(cfg: Config, amp: bool) -> None:
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', AMP_WRAPPER):
        raise ValueError(
            f'mixed precision can be switched for optim_wrapper.type='
            f"'OptimWrapper' or '{AMP_WRAPPER}', not for {kind!r}"
        )
    wrapper.type = AMP_WRAPPER if amp else 'OptimWrapper'
    if not amp:
        _drop_amp_arguments(cfg)


def _fit_amp_to_device(cfg: Config) -> None:
    """Take our wrapper on CPUs, where mmengine's fails an assertion."""
    if cfg.optim_wrapper.get('type') != AMP_WRAPPER or has_accelerator():
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
        raise ValueError('this config has no validation to leave out')
    for key in keys:
        cfg[key] = None


def _scale_lr(cfg: Config) -> None:
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if not base:
        raise ValueError(
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
    strategy = (cfg.get('strategy') or {}).get('type')
    rules = cfg.optim_wrapper.get('paramwise_cfg') or {}
    factor = rules.get('flat_decay_mult', 1.0)
    if strategy == 'FSDPStrategy' and factor != 1.0:
        raise ValueError(
            f'flat_decay_mult={factor} would meet every parameter under '
            'FSDP, whose pieces are all flat. Norms and biases have rules '
            'of their own; add to the config: '
            'optim_wrapper = dict(paramwise_cfg=dict(flat_decay_mult=1.0))'
        )


def _check_encoders(cfg: Config) -> None:
    """Say early, and with the way out, that the encoder is missing."""
    for key, init_cfg in _pretrained_parts(cfg.model, 'model'):
        try:
            existing_checkpoint(init_cfg['checkpoint'])
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{key}: {error}. Pretrain it first, name another one with '
                f'--cfg-options {key}.checkpoint=FILE, or start from scratch '
                f'with --cfg-options {key}=None'
            ) from None


def _pretrained_parts(
    cfg: Any, key: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The ``init_cfg`` entries that load a file, with their dotted keys."""
    if isinstance(cfg, Mapping):
        if cfg.get('type') in LOADERS and 'checkpoint' in cfg:
            yield key, cfg
        for name, value in cfg.items():
            yield from _pretrained_parts(value, f'{key}.{name}')
    elif isinstance(cfg, (list, tuple)):
        for index, value in enumerate(cfg):
            yield from _pretrained_parts(value, f'{key}.{index}')
