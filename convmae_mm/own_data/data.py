"""Somebody's data, by the task that they are for."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from convmae_mm.errors import ConfigError, DataError

from .coco import CocoSet, look_at_coco, match_classes, split_coco
from .configs import (
    Setting,
    classifier_config,
    detector_config,
    encoder_config,
    segmentor_config,
)
from .folders import (
    FolderSet,
    Labels,
    look_at_class_folders,
    look_at_label_maps,
)
from .pictures import (
    PictureFacts,
    list_pictures,
    look_at_pictures,
    tell_left_out,
)

Texts = dict[Path, str]  # by the file that is to hold each


@dataclass(frozen=True)
class Data(ABC):
    """Data for one task."""

    task: ClassVar[str]

    def options(self) -> list[str]:
        """Those of ``convmae-mm new`` that name these data."""
        options = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                values = value if isinstance(value, tuple) else (value,)
                options += [_option(field.name), *map(str, values)]
        return options

    @functools.cached_property  # a run sees one state of its data
    def _look(self) -> Callable[[tuple[Path, ...]], PictureFacts]:
        """Looks at pictures, once."""
        return functools.cache(look_at_pictures)

    @abstractmethod
    def check(self) -> None:
        """Raise ``DataError`` for what would stop a training.

        Warns of pictures that are learnt from and scored.
        """

    @abstractmethod
    def config(self, out: Path, setting: Setting) -> Texts:
        """The texts of a config, which comes first, and of its lists."""

    def _with_lists(
        self,
        write: Callable[..., str],
        train: FolderSet,
        val: FolderSet | None,
        out: Path,
        setting: Setting,
        numbers: Mapping[str, int] | None = None,
    ) -> Texts:
        """A config and the lists of its splits; some are held for ``val``."""
        if val is None:
            train, val = train.split(setting.wishes.seed)
        lists = _beside(out, '_train.txt'), _beside(out, '_val.txt')
        facts = self._look(tuple(train.pictures))
        text = write(train, val, lists, facts, setting)
        texts = text, train.list_names(numbers), val.list_names(numbers)
        return dict(zip((out, *lists), texts, strict=True))


@dataclass(frozen=True)
class Pictures(Data):
    """A folder of pictures without labels."""

    pictures: Path
    task: ClassVar[str] = 'encoder'

    def check(self) -> None:
        list_pictures(self.pictures)
        tell_left_out(self.pictures)

    def config(self, out: Path, setting: Setting) -> Texts:
        facts = self._look(tuple(list_pictures(self.pictures)))
        return {out: encoder_config(self.pictures, facts, setting)}


@dataclass(frozen=True)
class Boxes(Data):
    """COCO files; without one for validation, a part is held out."""

    coco: Path
    images: Path
    coco_val: Path | None = None
    val_images: Path | None = None
    task: ClassVar[str] = 'detector'

    def check(self) -> None:
        train, val = self._found
        _warn_of_shared(train, val)
        if val is not None and train.has_masks and not val.has_masks:
            print(
                f'the masks of {self.coco} are not used, as not every '
                f'annotation of {self.coco_val} has one: boxes alone are '
                'learned and scored'
            )

    @functools.cached_property
    def _found(self) -> tuple[CocoSet, CocoSet | None]:
        train = look_at_coco(self.coco, self.images)
        if self.coco_val is None:
            if self.val_images is not None:
                raise ConfigError('--val-images needs --coco-val')
            return train, None
        return train, look_at_coco(
            self.coco_val, self.val_images or self.images
        )

    def config(self, out: Path, setting: Setting) -> Texts:
        train, val = self._found
        if val is None:
            train, val = split_coco(
                train,
                _beside(out, '_train.json'),
                _beside(out, '_val.json'),
                setting.wishes.seed,
            )
        val = match_classes(val, train, _beside(out, '_val.json'))
        facts = self._look(tuple(train.pictures))
        text = detector_config(train, val, facts, setting)
        given = (self.coco, self.coco_val)
        lists = {x.file: x.text for x in (train, val) if x.file not in given}
        return {out: text, **lists}


@dataclass(frozen=True)
class Maps(Data):
    """Pictures and label maps; without any for validation, some are held."""

    images: Path
    labels: Path
    val_images: Path | None = None
    val_labels: Path | None = None
    ignore_label: int | None = None
    first_label: int = 0
    classes: tuple[str, ...] = ()
    task: ClassVar[str] = 'segmentor'

    def check(self) -> None:
        _warn_of_shared(*self._found[:2])

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

    def config(self, out: Path, setting: Setting) -> Texts:
        train, val, labels = self._found
        write = functools.partial(segmentor_config, labels)
        return self._with_lists(write, train, val, out, setting)


@dataclass(frozen=True)
class ClassFolders(Data):
    """A folder for each class; without others for validation, some are held.

    The classes are numbered by the training folders, whatever the others
    have or lack.
    """

    folders: Path
    val_folders: Path | None = None
    task: ClassVar[str] = 'classifier'

    def check(self) -> None:
        _warn_of_shared(*self._found)

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

    def config(self, out: Path, setting: Setting) -> Texts:
        classes = self._found[0].classes
        names = sorted({str(x) for found in classes for x in found})
        numbers = {name: i for i, name in enumerate(names)}
        return self._with_lists(
            classifier_config, *self._found, out, setting, numbers
        )


KINDS: tuple[Any, ...] = (Pictures, Boxes, Maps, ClassFolders)


def data_from_options(task: str, options: Mapping[str, Any]) -> Data:
    """The data of a task, from options of the command line.

    Raises:
        ConfigError: If one is missing.
    """
    kind = next(x for x in KINDS if x.task == task)
    given = {x.name: options.get(x.name) for x in fields(kind)}
    missing = [
        _option(x.name)
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


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'


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
