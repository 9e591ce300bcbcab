"""Parts of a model, built from a config or taken as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from convmae_mm.arguments import CONFIG, instance
from convmae_mm.errors import ConfigError, UserError
from convmae_mm.registry import MODELS

PART = CONFIG | instance('a module', nn.Module)


@contextmanager
def explaining(part: str) -> Iterator[None]:
    """Turn what other libraries raise on a wrong config into a ConfigError.

    They check their arguments with whatever Python raises.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        words = ' '.join(str(error).split())
        raise ConfigError(
            f'{part} cannot be built: {type(error).__name__}: {words}; '
            'correct its settings'
        ) from error


def build_part(name: str, config: Any, **defaults: Any) -> Any:
    """The module that a config describes, or the module given.

    Args:
        name: What the part is called in the config.
        config: Config or module; not edited.
        **defaults: Settings that the config need not state.

    Raises:
        ConfigError: If it cannot be built.
    """
    PART.check(name, config)
    if not isinstance(config, Mapping):
        return config
    with explaining(name):
        return MODELS.build({**defaults, **config})
