"""Somebody's data, by the task that they are for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from convmae_mm.errors import ConfigError, DataError

from .coco import CocoSet, look_at_coco, match_classes, split_coco
from .configs import (
    Wishes,
    classifier_config,
    detector_config,
    encoder_config,
    segmentor_config,
)
from .encoder_file import Encoder
from .folders import (
    FolderSet,
    Labels,
    look_at_class_folders,
    look_at_label_maps,
)
from .machine import Machine
from .pictures import (
    list_pictures,
    look_at_pictures,
    refuse_damaged,
    tell_left_out,
)

Texts = dict[Path, str]  # by the file that is to hold each


class Data(Protocol):
    """Data for one task."""

    task: ClassVar[str]

    def options(self) -> list[str]:
        """Those of ``convmae-mm new`` that name these data."""
        ...

    def check(self) -> None:
        """Raise ``DataError`` for what would stop a training.

        Warns of pictures that are learnt from and scored.
        """
        ...

    def config(
        self,
        out: Path,
        machine: Machine,
        wishes: Wishes,
        encoder: Encoder | None,
    ) -> Texts:
        """The texts of a config, which comes first, and of its lists."""
        ...


@dataclass(frozen=True)
class Pictures:
    """A folder of pictures without labels."""

    pictures: Path
    task: ClassVar[str] = 'encoder'

    def options(self) -> list[str]:
        return ['--pictures', str(self.pictures)]

    def check(self) -> None:
        list_pictures(self.pictures)
        tell_left_out(self.pictures)

    def config(
        self,
        out: Path,
        machine: Machine,
        wishes: Wishes,
        encoder: Encoder | None,
    ) -> Texts:
        facts = look_at_pictures(list_pictures(self.pictures))
        return {
            out: encoder_config(self.pictures, facts, machine, wishes, encoder)
        }


@dataclass(frozen=True)
class Boxes:
    """COCO files; without one for validation, a part is held out."""

    coco: Path
    images: Path
    coco_val: Path | None = None
    val_images: Path | None = None
    task: ClassVar[str] = 'detector'

    def options(self) -> list[str]:
        return _options(
            coco=self.coco,
            images=self.images,
            coco_val=self.coco_val,
            val_images=self.val_images,
        )

    def check(self) -> None:
        _warn_of_shared(*self._found[:2])

    @functools.cached_property  # a run sees one state of its data
    def _found(self) -> tuple[CocoSet, CocoSet | None]:
        train = look_at_coco(self.coco, self.images)
        if self.coco_val is None:
            if self.val_images is not None:
                raise ConfigError('--val-images needs --coco-val')
            return train, None
        return train, look_at_coco(
            self.coco_val, self.val_images or self.images
        )

    def config(
        self,
        out: Path,
        machine: Machine,
        wishes: Wishes,
        encoder: Encoder | None,
    ) -> Texts:
        train, val = self._found
        if val is None:
            train, val = split_coco(
                train,
                _beside(out, '_train.json'),
                _beside(out, '_val.json'),
                wishes.seed,
            )
        val = match_classes(val, train, _beside(out, '_val.json'))
        facts = look_at_pictures(train.pictures)
        text = detector_config(train, val, facts, machine, wishes, encoder)
        given = (self.coco, self.coco_val)
        lists = {x.file: x.text for x in (train, val) if x.file not in given}
        return {out: text, **lists}


@dataclass(frozen=True)
class Maps:
    """Pictures and label maps; without any for validation, some are held."""

    images: Path
    labels: Path
    val_images: Path | None = None
    val_labels: Path | None = None
    classes: tuple[str, ...] = ()
    ignore_label: int | None = None
    first_label: int = 0
    task: ClassVar[str] = 'segmentor'

    def options(self) -> list[str]:
        options = _options(
            images=self.images,
            labels=self.labels,
            val_images=self.val_images,
            val_labels=self.val_labels,
            ignore_label=self.ignore_label,
            first_label=self.first_label or None,
        )
        return [*options, *(['--classes', *self.classes] * bool(self.classes))]

    def check(self) -> None:
        _warn_of_shared(*self._found[:2])
        for found in filter(None, self._found[:2]):
            tell_left_out(found.images)
            refuse_damaged(found.images, found.pictures)
        ignored = self.ignore_label
        if ignored is not None and ignored < len(self.classes):
            print(
                f'--ignore-label {ignored} is {self.classes[ignored]!r} of '
                '--classes, which is neither learnt nor scored then'
            )

    @functools.cached_property
    def _found(self) -> tuple[FolderSet, FolderSet | None, Labels]:
        train = look_at_label_maps(self.images, self.labels)
        val = None
        if (self.val_images is None) != (self.val_labels is None):
            raise ConfigError('--val-images and --val-labels go together')
        if self.val_images is not None and self.val_labels is not None:
            val = look_at_label_maps(self.val_images, self.val_labels)
        labels = Labels.of(
            [train] if val is None else [train, val],
            self.classes,
            self.first_label,
            self.ignore_label,
        )
        return train, val, labels

    def config(
        self,
        out: Path,
        machine: Machine,
        wishes: Wishes,
        encoder: Encoder | None,
    ) -> Texts:
        train, val, labels = self._found
        if val is None:
            train, val = train.split(wishes.seed)
        lists = _beside(out, '_train.txt'), _beside(out, '_val.txt')
        facts = look_at_pictures(train.pictures)
        text = segmentor_config(
            train, val, lists, labels, facts, machine, wishes, encoder
        )
        texts = text, train.list_names(), val.list_names()
        return dict(zip((out, *lists), texts, strict=True))


@dataclass(frozen=True)
class ClassFolders:
    """A folder for each class; without others for validation, some are held.

    The classes are numbered by the training folders, whatever the others
    have or lack.
    """

    folders: Path
    val_folders: Path | None = None
    task: ClassVar[str] = 'classifier'

    def options(self) -> list[str]:
        return _options(folders=self.folders, val_folders=self.val_folders)

    def check(self) -> None:
        _warn_of_shared(*self._found[:2])
        for found in filter(None, self._found[:2]):
            tell_left_out(found.images)
            refuse_damaged(found.images, found.pictures)

    @functools.cached_property
    def _found(self) -> tuple[FolderSet, FolderSet | None]:
        train = look_at_class_folders(self.folders)
        if self.val_folders is None:
            return train, None
        val = look_at_class_folders(self.val_folders)
        known = {name for names in train.classes for name in names}
        strange = {name for names in val.classes for name in names} - known
        if strange:
            raise DataError(
                f'{self.val_folders} has the class {min(map(str, strange))}, '
                f'and {self.folders} has no folder of that name'
            )
        return train, val

    def config(
        self,
        out: Path,
        machine: Machine,
        wishes: Wishes,
        encoder: Encoder | None,
    ) -> Texts:
        train, val = self._found
        if val is None:
            train, val = train.split(wishes.seed)
        names = sorted({str(x) for found in train.classes for x in found})
        numbers = {name: i for i, name in enumerate(names)}
        lists = _beside(out, '_train.txt'), _beside(out, '_val.txt')
        facts = look_at_pictures(train.pictures)
        text = classifier_config(
            train, val, lists, facts, machine, wishes, encoder
        )
        texts = text, train.list_names(numbers), val.list_names(numbers)
        return dict(zip((out, *lists), texts, strict=True))


KINDS: tuple[Any, ...] = (Pictures, Boxes, Maps, ClassFolders)


def data_from_options(task: str, options: Mapping[str, Any]) -> Data:
    """The data of a task, from options of the command line.

    Raises:
        ConfigError: If one is missing.
    """
    kind = next(x for x in KINDS if x.task == task)
    given = {x.name: options.get(x.name) for x in fields(kind)}
    missing = [
        f'--{x.name.replace("_", "-")}'
        for x in fields(kind)
        if x.default is MISSING and given[x.name] is None
    ]
    if missing:
        raise ConfigError(f'a {task} wants {" and ".join(missing)} too')
    if 'classes' in given:
        given['classes'] = tuple(given['classes'] or ())
    return kind(**given)


def _beside(out: Path, end: str) -> Path:
    return out.with_name(out.stem + end)


def _options(**values: object) -> list[str]:
    options = []
    for name, value in values.items():
        if value is not None:
            options += [f'--{name.replace("_", "-")}', str(value)]
    return options


def _warn_of_shared(
    train: CocoSet | FolderSet, val: CocoSet | FolderSet | None
) -> None:
    if val is None:
        return
    shared = set(train.pictures) & set(val.pictures)
    if shared:
        print(
            f'{len(shared)} pictures are in the training and in the '
            f'validation set, such as {min(shared)}: the scores will be too '
            'good'
        )
