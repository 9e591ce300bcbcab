"""Write a config for somebody's data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convmae_mm.apis.load import find_checkpoint
from convmae_mm.engine.atomic_files import write_whole
from convmae_mm.errors import ConfigError
from convmae_mm.files import writable

from .configs import Setting, Wishes
from .data import Data
from .encoder_file import look_at_encoder
from .machine import Machine, this_machine

WISHES = ('arch', 'iters', 'batch_size', 'img_size', 'seed', 'validations')


def wishes_from_options(options: Mapping[str, Any]) -> Wishes:
    """From options of the command line."""
    names = [x for x in (*WISHES, 'flip') if x in options]
    return Wishes(**{name: options[name] for name in names})


def new_command(
    data: Data, out: Path, wishes: Wishes, encoder: str | None
) -> list[str]:
    """The command that writes a config."""
    command = ['convmae-mm', 'new', data.task, *data.options()]
    if encoder is not None:
        command += ['--encoder', encoder]
    default = Wishes()
    for name in WISHES:
        value = getattr(wishes, name)
        if value != getattr(default, name):
            command += [f'--{name.replace("_", "-")}', str(value)]
    if not wishes.flip:
        command.append('--no-flip')
    return [*command, '--out', str(out)]


def check_places(out: Path, encoder: str | None) -> None:
    """Refuse places that will not do, before the data are read.

    Args:
        out: The config.
        encoder: A checkpoint, or the folder of a training; None for none.

    Raises:
        ConfigError: If ``out`` is no config.
        DiskError: If it cannot be written there.
        UserError: If there is no such checkpoint.
    """
    if out.suffix != '.py':
        raise ConfigError(f'--out {out} is a config and must end in .py')
    writable(out)
    if encoder is not None:
        find_checkpoint(encoder)


def write_config(
    data: Data, out: Path, wishes: Wishes, encoder: str | None = None
) -> Path:
    """Look at the data and write a flat config.

    Args:
        data: What to train on.
        out: The config; lists of the splits go beside it.
        wishes: What the data do not say.
        encoder: A checkpoint to start from, or the folder of a training;
            None for none.

    Raises:
        DataError: For what would stop a training, or spoil it.
        ConfigError: If the encoder is of another arch, or ``out`` exists and
            differs.
        CheckpointError: If the encoder is no such file.
    """
    check_places(out, encoder)
    weights = None
    if encoder is not None:
        weights = look_at_encoder(find_checkpoint(encoder))
        if weights.arch != wishes.arch:
            raise ConfigError(
                f'{encoder} holds an encoder of arch {weights.arch!r}, not '
                f'{wishes.arch!r}: give --arch {weights.arch or "..."}'
            )
    command = shlex.join(new_command(data, out, wishes, encoder))
    wishes = replace(wishes, command=command)
    texts = data.config(out, Setting(this_machine(), wishes, weights))
    if out.exists() and out.read_text(encoding='utf-8') != texts[out]:
        raise ConfigError(
            f'{out} exists already and differs: choose another --out, or '
            'remove it'
        )
    for file, text in reversed(texts.items()):  # the config when all is there
        write_whole(file, text.encode())
    return out


def train_command(config: Path, work_dir: Path, machine: Machine) -> list[str]:
    """The command that trains a config, or continues to; on all GPUs."""
    command = ['convmae-mm', 'train', str(config)]
    command += ['--work-dir', str(work_dir), '--resume']
    if machine.gpus < 2:
        return command
    launcher = ['torchrun', f'--nproc-per-node={machine.gpus}', '--no-python']
    return [*launcher, *command, '--launcher', 'pytorch']


def shown(command: Sequence[str]) -> str:
    """A command as somebody would type it."""
    return shlex.join(command)
