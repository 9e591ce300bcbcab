"""What every run of ours has, whether its config names it or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from convmae_mm.engine import (
    CheckpointMatchHook,
    FiniteTrainingHook,
    RandomStreamsHook,
    SafeCheckpointHook,
)
from convmae_mm.engine.atomic_files import remove_leftovers
from convmae_mm.engine.random_streams import seed_worker
from convmae_mm.processes import (
    clear_shared_memory,
    own_folder,
    place_among,
)
from convmae_mm.registry import type_name

TRAINING_HOOKS = (FiniteTrainingHook, CheckpointMatchHook, RandomStreamsHook)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@contextmanager
def owned_work_dir(cfg: Config) -> Iterator[None]:
    """Keep other trainings out of the work directory, and tidy it.

    Raises:
        FolderInUseError: If one is in it.
    """
    if place_among(cfg.get('launcher'))[0]:
        yield
        return
    # A log file that cannot be written is no news for each of its lines.
    tell, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        clear_shared_memory()
        with own_folder(cfg.work_dir):
            remove_leftovers(Path(cfg.work_dir))
            yield
    finally:
        logging.raiseExceptions = tell


def add_guards(runner: Runner) -> None:
    """Add the hooks that a training must not be without."""
    for kind in TRAINING_HOOKS:
        if not any(isinstance(hook, kind) for hook in runner.hooks):
            runner.register_hook(kind())


def use_safe_checkpoints(cfg: Config) -> None:
    """Take our hook that writes checkpoints instead of mmengine's."""
    hooks = dict(cfg.get('default_hooks') or {})
    hook = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))
    if type_name(hook) == 'CheckpointHook':
        hooks['checkpoint'] = dict(hook, type=_path(SafeCheckpointHook))
        cfg.default_hooks = hooks


def fit_loaders(cfg: Config) -> None:
    """Let loaders take their number of workers, and the workers end."""
    for key in LOADERS:
        loader = cfg.get(key)
        if not isinstance(loader, dict):
            continue
        if not loader.get('num_workers'):
            # Only workers have these, and torch insists.
            for setting in ('persistent_workers', 'prefetch_factor'):
                loader.pop(setting, None)
        loader.setdefault('worker_init_fn', dict(type=_path(seed_worker)))
        # for mmengine's own function for workers
        loader.pop('disable_subprocess_warning', None)


def _path(thing: type | object) -> str:
    return f'{thing.__module__}.{thing.__qualname__}'  # type: ignore
