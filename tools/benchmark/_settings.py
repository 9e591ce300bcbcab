"""Names of settings, such as 'ours+cp+bf16'."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MODIFIERS = {
    'cp': 'recompute each block in the backward pass (with_cp=True)',
    'bf16': 'autocast to bfloat16',
    'compile': 'torch.compile',
}


class SettingError(ValueError):
    """A name of a setting, or a combination of options, that has no sense."""


@dataclass(frozen=True)
class Setting:
    """What is measured: an implementation and how it is run.

    Attributes:
        base: The implementation, such as 'ours'.
        cp: Activation checkpointing.
        bf16: Autocast to bfloat16.
        compile: Compiled by ``torch.compile``.
    """

    base: str
    cp: bool = False
    bf16: bool = False
    compile: bool = False

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        parts = [mod for mod in MODIFIERS if getattr(self, mod)]
        return '+'.join([self.base, *parts])

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrix products."""
        return torch.bfloat16 if self.bf16 else torch.float32


def parse_setting(text: str, bases: dict[str, str]) -> Setting:
    """Read a name such as 'ours+cp+bf16'.

    Args:
        text: The name.
        bases: The implementations of the script, and what they are.

    Raises:
        SettingError: For an unknown part.
    """
    base, *modifiers = text.split('+')
    if base not in bases:
        raise SettingError(
            f'unknown setting {text!r}: it must begin with one of '
            f'{list(bases)}'
        )
    unknown = [mod for mod in modifiers if mod not in MODIFIERS]
    if unknown:
        raise SettingError(
            f'unknown {unknown} in setting {text!r}; choose from '
            f'{[f"+{mod}" for mod in MODIFIERS]}'
        )
    setting = Setting(base, **{mod: True for mod in modifiers})
    if setting.cp and base != 'ours':
        raise SettingError(
            f'{text!r}: only ours has checkpointing; leave +cp out'
        )
    return setting
