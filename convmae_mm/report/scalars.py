"""Read back the numbers that mmengine logs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Curve:
    """A quantity over the iterations of a training."""

    steps: list[int]
    values: list[float]

    def smoothed(self, momentum: float = 0.7) -> Curve:
        """The exponential moving average, without bias to its start."""
        average, weight, values = 0.0, 0.0, []
        for value in self.values:
            average = momentum * average + (1 - momentum) * value
            weight = momentum * weight + (1 - momentum)
            values.append(average / weight)
        return Curve(self.steps, values)


def read_curve(folder: Path, name: str = 'loss') -> Curve:
    """A training curve from a work directory.

    Args:
        folder: mmengine's work directory. It has a folder for each start; the
            iterations that a resumed training ran again count once, as they
            were last.
        name: Of the quantity.

    Raises:
        FileNotFoundError: If nothing was logged under that name.
    """
    values: dict[int, float] = {}
    for entry in _read_scalars(folder):
        if name in entry and 'iter' in entry:
            values[entry['iter']] = entry[name]
    if not values:
        raise FileNotFoundError(f'no {name!r} in the scalars below {folder}')
    steps = sorted(values)
    return Curve(steps, [values[step] for step in steps])


def read_validations(folder: Path) -> dict[str, Curve]:
    """Each score of the validations during a training, by its name.

    Args:
        folder: mmengine's work directory. A score counts once for each step,
            as it was last; the steps are epochs, or iterations where the
            training counts those.
    """
    scores: dict[str, dict[int, float]] = {}
    trained = 0
    for entry in _read_scalars(folder):
        if 'lr' in entry:
            trained = entry.get('iter', trained)
        if 'lr' in entry or 'step' not in entry:
            continue
        # Where a training that counts iterations logs its epoch, it is 0.
        step = entry['step'] or trained
        for name, value in entry.items():
            if name not in ('step', 'time', 'data_time'):
                scores.setdefault(name, {})[step] = value
    return {
        name: Curve(sorted(values), [values[x] for x in sorted(values)])
        for name, values in scores.items()
    }


def _read_scalars(folder: Path) -> list[dict]:
    """All entries of all starts, oldest first; a torn last line is left."""
    entries = []
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8').splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                # The process was killed while it wrote the line.
                continue
    return entries
