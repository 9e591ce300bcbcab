"""What a DigitScenes data set is made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from convmae_mm.errors import ConfigError

from .composition import SceneStyle

# Raised whenever the same settings begin to give other pictures.
FORMAT_VERSION = 2


@dataclass(frozen=True)
class DigitScenesSettings:
    """Everything that decides which files are written, byte for byte.

    Args:
        train: number of training scenes.
        val: number of held-out scenes.
        size: (height, width) of a scene in pixels, at least 32 each.
        seed: non-negative; another seed gives other scenes from the same
            digits and photos.
        crop_size: side of the square classification pictures in pixels.
        crops_per_scene: classification pictures per scene.
    """

    train: int = 400
    val: int = 100
    size: tuple[int, int] = (128, 128)
    seed: int = 0
    crop_size: int = 64
    crops_per_scene: int = 4

    def __post_init__(self) -> None:
        for name in ('train', 'val', 'crops_per_scene'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name}={getattr(self, name)} must be >= 1')
        if len(self.size) != 2 or min(self.size) < 32:
            raise ConfigError(
                f'size={self.size} must be (height, width), both >= 32: '
                'digits in smaller scenes are illegible'
            )
        if self.crop_size < 16:
            raise ConfigError(f'crop_size={self.crop_size} must be >= 16')
        if self.seed < 0:
            raise ConfigError(f'seed={self.seed} must be >= 0')

    def num_scenes(self, split: str) -> int:
        """Scenes of 'train' or 'val'."""
        return {'train': self.train, 'val': self.val}[split]

    def num_crops(self, split: str) -> int:
        """Classification pictures of 'train' or 'val'."""
        return self.num_scenes(split) * self.crops_per_scene

    @property
    def scene_style(self) -> SceneStyle:
        """Two to five digits, 29 to 64 px high in a scene of 128 px."""
        return SceneStyle(
            size=self.size,
            num_digits=(2, 5),
            digit_height=(0.225, 0.5),
            margin=0.12,
        )

    @property
    def crop_style(self) -> SceneStyle:
        """One digit that fills most of the picture."""
        return SceneStyle(
            size=(self.crop_size, self.crop_size),
            num_digits=(1, 1),
            digit_height=(0.45, 0.8),
            margin=0.4,
        )

    def as_json(self) -> dict[str, Any]:
        """As it reads back from a JSON file."""
        return {
            'format_version': FORMAT_VERSION,
            **asdict(self),
            'size': list(self.size),
        }
