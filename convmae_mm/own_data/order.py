"""What ``convmae-mm run`` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convmae_mm.apis.load import find_checkpoint
from convmae_mm.errors import ConfigError
from convmae_mm.files import writable

from .configs import Wishes
from .data import Data, Pictures

ENCODER = Pictures.task
SCRATCH = '_scratch'


@dataclass(frozen=True)
class Run:
    """What ``convmae-mm run`` is asked for.

    Attributes:
        tasks: Data with labels, of one or several tasks.
        pictures: Without labels, None to train without pretraining.
        work_dir: Gets everything.
        wishes: What the data do not say.
        weights: A checkpoint to start the pretraining from, or the tasks if
            there is none.
        minutes: For all together; None for what the data suggest, which on a
            CPU is limited.
        compare_scratch: Train once more without any weights.
        log: Where the curves go besides the files of the run.
    """

    tasks: tuple[Data, ...]
    pictures: Pictures | None
    work_dir: Path
    wishes: Wishes
    weights: str | None = None
    minutes: float | None = None
    compare_scratch: bool = False
    log: str | None = None

    @property
    def from_scratch(self) -> list[str]:
        """Names of the trainings that are there for comparison."""
        if not self.compare_scratch:
            return []
        return [f'{data.task}{SCRATCH}' for data in self.tasks]

    @property
    def arms(self) -> list[str]:
        """Names of the trainings on labels, in their order."""
        return [*(data.task for data in self.tasks), *self.from_scratch]

    @property
    def trainings(self) -> list[str]:
        """Names of all trainings as a report tells them, arm beside arm."""
        tasks = [data.task for data in self.tasks]
        arms = sorted(
            self.arms, key=lambda x: tasks.index(x.removesuffix(SCRATCH))
        )
        return [*([ENCODER] if self.pictures else []), *arms]

    def data_of(self, name: str) -> Data:
        """What a training learns from."""
        if name == ENCODER:
            assert self.pictures is not None
            return self.pictures
        task = name.removesuffix(SCRATCH)
        return next(data for data in self.tasks if data.task == task)

    def check(self) -> None:
        """Raise ``UserError`` for what would stop a training."""
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(
                f'--minutes {self.minutes:g} must be more than 0'
            )
        writable(self.work_dir / f'{ENCODER}.py')
        if self.weights is not None:
            find_checkpoint(self.weights)
        for data in (self.pictures, *self.tasks):
            if data is not None:
                data.check()

    def key(self) -> dict[str, Any]:
        """What has to be the same for a run that goes on."""
        return {
            'data': [data.options() for data in self.tasks],
            'pictures': self.pictures and self.pictures.options(),
            'weights': self.weights,
            'wishes': {
                name: value
                for name, value in vars(self.wishes).items()
                if name != 'command'
            },
        }
