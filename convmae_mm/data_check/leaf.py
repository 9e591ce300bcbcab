"""A data set of a config without its wrappers, and the split that it is of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.registry import TRANSFORMS

from convmae_mm.registry import dicts, type_name

from .label_maps import IGNORED
from .pictures import Load
from .places import how_to_place
from .report import Notes


@dataclass
class Split:
    """What the data of one dataloader turned out to be.

    Attributes:
        name: 'train', 'val' or 'test'.
        loader: Its part of the config.
        classes: Of its data sets; None where they have none.
        folders: Class folders in the order of their labels, where labels
            come from folders.
        ann_files: COCO files that were read.
        image_ids: Of these files.
        paths: Of the pictures that are kept.
        length: How many samples an epoch has; None if unknown.
    """

    name: str
    loader: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    folders: list[str] | None = None
    ann_files: list[str] = field(default_factory=list)
    image_ids: set[Any] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    length: int | None = 0


@dataclass(frozen=True)
class Leaf:
    """A data set without wrappers, built and not read.

    Attributes:
        cfg: Its part of the config.
        dataset: The data set with its paths and classes.
        split: That it is a part of.
        notes: Where counts and faults go.
        labelled: Whether it needs annotations.
        num_classes: Of the model's heads, where they agree.
        ignored: The label that the model's heads ignore.
    """

    cfg: Mapping[str, Any]
    dataset: Any
    split: Split
    notes: Notes
    labelled: bool = True
    num_classes: int | None = None
    ignored: int = IGNORED

    @property
    def number(self) -> int | None:
        """Of its classes, or of the model's; None if unknown."""
        return len(self.split.classes or ()) or self.num_classes


def root_of(cfg: Mapping[str, Any]) -> Path:
    """Where a data set is, and what is missing may be."""
    return Path(cfg.get('data_root') or '.')


def refuse(cfg: Mapping[str, Any], error: Exception, notes: Notes) -> None:
    """Note why a data set cannot be built or listed."""
    words = ' '.join(str(error).split()) or type(error).__name__
    remedy = 'correct its settings'
    missing = getattr(error, 'filename', None)
    if isinstance(missing, str):
        words = f'{missing} (= {os.path.abspath(missing)}) does not exist'
        remedy = how_to_place(Path(missing), root_of(cfg))
    problem = f'{type_name(cfg)} cannot be read: {words}'
    notes.error('dataset-unreadable', problem, remedy)


def transforms(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """The transforms of a pipeline, also those inside others."""
    return (x for x in dicts(pipeline) if 'type' in x)


def loader_of(cfg: Mapping[str, Any]) -> Load | None:
    """How the config reads a picture: the first step of its pipeline."""
    first = next(transforms(cfg.get('pipeline')), None)
    if first is None or not type_name(first).startswith('Load'):
        return None
    try:
        transform: Callable[[dict[str, Any]], Any] = TRANSFORMS.build(
            dict(first)
        )
    except Exception:  # the runner says what is wrong with its settings
        return None
    return lambda path: transform({'img_path': path})['img']
