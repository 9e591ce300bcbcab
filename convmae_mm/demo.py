"""The demo: a run, as on anybody's data, on scenes that are made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convmae_mm.datasets.digit_scenes import generate_digit_scenes
from convmae_mm.datasets.digit_scenes.sources import CLASSES
from convmae_mm.own_data.configs import Wishes
from convmae_mm.own_data.data import Boxes, Maps, Pictures
from convmae_mm.own_data.machine import count_cores
from convmae_mm.own_data.order import Run
from convmae_mm.own_data.record import RunFile
from convmae_mm.own_data.run import run

MINUTES = 14.0  # of training and scoring, after the scenes are made


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        train: Scenes to learn from.
        val: Scenes that are held out.
        iters: Steps of each training, None for what fits ``MINUTES``.
    """

    train: int = 1000
    val: int = 200
    iters: int | None = None


# Shows in minutes that everything works; the scores mean nothing.
FAST = Sizes(train=8, val=4, iters=2)


def run_demo(work_dir: Path, sizes: Sizes, seed: int = 0) -> RunFile:
    """Make the scenes and run, or what is left of it.

    Args:
        work_dir: Gets everything.
        sizes: See :class:`Sizes`.
        seed: Of the scenes and of every training.

    Raises:
        UserError: If a step fails.
    """
    root = work_dir / 'data' / 'digit_scenes'
    print(
        f'$ convmae-mm digit-scenes --out {root} --train {sizes.train} '
        f'--val {sizes.val} --seed {seed}',
        flush=True,
    )
    generate_digit_scenes(
        root,
        train=sizes.train,
        val=sizes.val,
        seed=seed,
        workers=count_cores(),
    )
    train, val = root / 'images/train', root / 'images/val'
    files = root / 'annotations'
    boxes = Boxes(
        files / 'instances_train.json',
        train,
        files / 'instances_val.json',
        val,
    )
    maps = Maps(
        train,
        root / 'label_maps/train',
        val,
        root / 'label_maps/val',
        classes=('background', *CLASSES),
        first_label=1,  # 0 is unlabelled
    )
    return run(
        Run(
            tasks=(boxes, maps),
            pictures=Pictures(train),
            work_dir=work_dir,
            # a mirrored 2 is none
            wishes=Wishes(
                flip=False, seed=seed, iters=sizes.iters, validations=2
            ),
            minutes=MINUTES,
            compare_scratch=True,
        )
    )
