"""What the demo may be asked to do differently."""

from __future__ import annotations

from dataclasses import dataclass

from convmae_mm.errors import ConfigError


@dataclass(frozen=True)
class DemoSettings:
    """Sizes of the demo.

    Args:
        train_scenes: Number of training scenes.
        val_scenes: Number of held-out scenes.
        seed: Of the scenes and of every training.
        max_epochs: Length of every training, instead of what its config says.

    Raises:
        ConfigError: For a number out of range.
    """

    train_scenes: int = 1000
    val_scenes: int = 200
    seed: int = 0
    max_epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ('train_scenes', 'val_scenes'):
            if getattr(self, name) < 2:
                raise ConfigError(f'{name}={getattr(self, name)} must be >= 2')
        if self.seed < 0:
            raise ConfigError(f'seed={self.seed} must be >= 0')
        if self.max_epochs is not None and self.max_epochs < 1:
            raise ConfigError(f'max_epochs={self.max_epochs} must be >= 1')


# Shows in a minute that everything works, and nothing else: the scores of so
# short a training mean nothing.
FAST = DemoSettings(train_scenes=8, val_scenes=4, max_epochs=2)
