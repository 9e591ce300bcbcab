"""Look at label maps and at class folders, and list what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from shlex import quote

import numpy as np

from convmae_mm.data_check.coco_classes import some
from convmae_mm.data_check.exports import refuse_export
from convmae_mm.data_check.label_maps import read_labels
from convmae_mm.data_check.places import (
    ROLES,
    find_splits,
    subfolders,
    words_of,
)
from convmae_mm.datasets.image_files import endings, header_size
from convmae_mm.errors import ConfigError, DataError

from .pictures import list_pictures
from .split import held_out

# Reading label maps costs milliseconds each: of more, these are spread evenly.
READ_MAPS = 2000
LABELS = 256
LOSSY = ('.jpg', '.jpeg')


@dataclass(frozen=True)
class FolderSet:
    """Pictures with their labels.

    Attributes:
        images: Folder of the pictures.
        labels: Folder of the label maps; empty for class folders.
        names: What each picture is called in the list of a split: without
            its suffix, or its path below ``images``.
        classes: For class folders, the class of each; otherwise the labels
            in each.
        img_suffix: Of the pictures that have label maps.
        label_suffix: Of the label maps.
        pixels: (256,), how many pixels have each label.
    """

    images: Path
    labels: Path | None
    names: tuple[str, ...]
    classes: tuple[Collection[str | int], ...]
    img_suffix: str = ''
    label_suffix: str = ''
    pixels: np.ndarray | None = None

    @property
    def pictures(self) -> list[Path]:
        """Paths of the pictures."""
        return [self.images / f'{x}{self.img_suffix}' for x in self.names]

    @property
    def labels_seen(self) -> list[int]:
        """Labels that occur in the maps, ascending."""
        assert self.pixels is not None
        return [int(x) for x in np.flatnonzero(self.pixels)]

    def take(self, indices: Sequence[int]) -> FolderSet:
        """Some of them."""
        return replace(
            self,
            names=tuple(self.names[i] for i in indices),
            classes=tuple(self.classes[i] for i in indices),
        )

    def split(self, seed: int) -> tuple[FolderSet, FolderSet]:
        """Hold some out.

        Raises:
            DataError: If there is one picture only.
        """
        try:
            held = held_out(self.classes, seed=seed)
        except ValueError as error:
            raise DataError(f'{self.images}: {error}') from error
        rest = sorted(set(range(len(self.names))) - set(held))
        return self.take(rest), self.take(held)

    def list_names(self, numbers: dict[str, int] | None = None) -> str:
        """The list, with the number of the class behind each name."""
        lines = list(self.names)
        if numbers is not None:
            lines = [
                f'{name} {numbers[str(next(iter(classes)))]}'
                for name, classes in zip(lines, self.classes, strict=True)
            ]
        return '\n'.join(lines) + '\n'


@dataclass(frozen=True)
class Labels:
    """What the numbers in label maps mean.

    Attributes:
        names: Of the classes.
        first: The label of the first class, 0 or 1; below 1 nothing counts.
        ignored: The label that does not count, once ``first`` is 0.
    """

    names: tuple[str, ...]
    first: int = 0
    ignored: int = 255

    @classmethod
    def of(
        cls,
        splits: Sequence[FolderSet],
        names: Sequence[str] = (),
        first: int = 0,
        ignored: int | None = None,
    ) -> Labels:
        """From what occurs, and what somebody says about it.

        Raises:
            DataError: For a label that no class has.
            ConfigError: For options that exclude each other.
        """
        if first not in (0, 1):
            raise ConfigError(f'--first-label {first} must be 0 or 1')
        if first and ignored not in (None, 0, 255):
            raise ConfigError(
                f'--first-label 1 and --ignore-label {ignored} cannot be '
                'combined: with the first, 0 and 255 are ignored'
            )
        if ignored is not None and not 0 <= ignored < LABELS:
            raise ConfigError(f'--ignore-label {ignored} must be 0 to 255')
        twice = [x for x, count in Counter(names).items() if count > 1]
        if twice:
            raise ConfigError(f'--classes names {twice[0]!r} more than once')
        if not all(x.strip() for x in names):
            raise ConfigError(f'--classes {list(names)} has an empty name')
        left_out = {255} if ignored is None else {ignored}
        if first:
            left_out = {0, 255}
        most = 0
        for split in splits:
            seen = [x for x in split.labels_seen if x not in left_out]
            if not seen:
                raise DataError(f'{split.labels}: nothing is labelled')
            if max(seen) == 0 and ignored is None and not first:
                others = set(split.labels_seen) - {0}
                raise DataError(
                    f'{split.labels}: 0 is the only label'
                    f'{" beside 255, which is ignored" if others else ""}: '
                    'nothing but background would be learned. Write objects '
                    'as 1, 2, ...'
                )
            most = max(most, *seen)
            if names and most >= len(names) + first:
                from_one = min(seen) == 1 and most == len(names)
                raise DataError(
                    f'{split.labels} has the label {most}, and the last of '
                    f'{len(names)} classes is {len(names) - 1 + first}: name '
                    f'all classes, or --ignore-label {most}'
                    + (', or --first-label 1' if from_one else '')
                )
        if not names:
            names = [f'class {i}' for i in range(first, most + 1)]
        return cls(
            tuple(names), first, 255 if first or ignored is None else ignored
        )

    def shares(self, split: FolderSet) -> list[float]:
        """Of the labelled pixels, how many each class has."""
        assert split.pixels is not None
        counts = split.pixels.astype(float)
        counts = counts[self.first : self.first + len(self.names)]
        if self.ignored < len(counts):
            counts[self.ignored] = 0
        return list(counts / max(1, counts.sum()))


def look_at_class_folders(folder: Path) -> FolderSet:
    """One folder of pictures for each class.

    Prints what is in no class.

    Raises:
        DataError: If there are not two of them, or they are splits.
    """
    refuse_export(folder)
    pictures = [x.relative_to(folder) for x in list_pictures(folder)]
    files = [x for x in pictures if len(x.parts) > 1]
    loose = [x for x in pictures if len(x.parts) == 1]
    names = {x.parts[0] for x in files}
    splits = find_splits(folder)
    if splits:
        options = [
            f'{option} {quote(str(splits[x]))}'
            for option, x in (
                ('--folders', 'train'),
                ('--val-folders', 'val' if 'val' in splits else 'test'),
            )
            if x in splits and subfolders(splits[x])
        ]
        raise DataError(
            f'{folder} holds {" and ".join(x.name for x in splits.values())}, '
            f'which are no classes but splits: give {" ".join(options)}'
        )
    if names and not any(ROLES.isdisjoint(words_of(x)) for x in names):
        inner = [folder / x for x in sorted(names) if subfolders(folder / x)]
        raise DataError(
            f'{folder} holds {" and ".join(sorted(names))}, which are no '
            'classes: '
            + (
                f'is --folders {inner[0]} meant?'
                if inner
                else 'a classifier wants a folder of pictures for each, and '
                'label maps go with --images DIR --labels DIR'
            )
        )
    empty = [x for x in subfolders(folder) if x not in names]
    if empty:
        print(
            f'{folder}: no picture that can be read is in {some(empty)}: left '
            'out of the classes'
        )
    if loose:
        print(
            f'{folder}: {len(loose)} pictures are in no class, such as '
            f'{loose[0]}, and are left out'
        )
    if len(names) < 2:
        raise DataError(
            f'{folder} has {len(names)} folders with pictures: a classifier '
            'wants one for each class, two at least'
        )
    return FolderSet(
        folder,
        None,
        tuple(x.as_posix() for x in files),
        tuple((x.parts[0],) for x in files),
    )


def look_at_label_maps(images: Path, labels: Path) -> FolderSet:
    """Pictures, and a label map for each: of the same name, but for an end.

    Raises:
        DataError: If one is missing or no label map.
    """
    files = list_pictures(images)
    try:
        maps = list_pictures(labels)
    except DataError:
        refuse_export(labels)
        raise
    img_suffix = _one_suffix(files, images)
    stems = [
        x.relative_to(images).as_posix().removesuffix(img_suffix)
        for x in files
    ]
    there = {x.relative_to(labels).as_posix() for x in maps}
    ends = endings(
        stems, [str(PurePosixPath(x).with_suffix('')) for x in there]
    )
    img_suffix = ends[0] + img_suffix
    stems = [x.removesuffix(ends[0]) for x in stems]
    found = (PurePosixPath(x) for x in sorted(there))
    names = {f'{x}{ends[1]}' for x in stems}
    label_suffix = ends[1] + next(
        (x.suffix for x in found if str(x.with_suffix('')) in names), '.png'
    )
    extra = sorted(there - {f'{x}{label_suffix}' for x in stems})
    if extra:
        print(
            f'{labels}: {len(extra)} label maps have no picture in {images}, '
            f'such as {extra[0]}, and are left out'
        )
    without = [x for x in stems if f'{x}{label_suffix}' not in there]
    if without:
        raise DataError(
            f'{len(without)} of {len(stems)} pictures in {images} have no '
            f'label map in {labels}, such as {without[0]}{img_suffix}, which '
            f'wants {without[0]}{label_suffix}'
        )
    if label_suffix.lower().endswith(LOSSY):
        raise DataError(
            f'the label maps in {labels} are {label_suffix}, and JPEG changes '
            'labels where they meet: write PNG, from what they were made of'
        )
    step = max(1, len(stems) // READ_MAPS)
    pixels = np.zeros(LABELS, np.int64)
    seen: dict[str, tuple[int, ...]] = {}
    for stem in stems[::step]:
        counts = _count_labels(
            labels / f'{stem}{label_suffix}', images / f'{stem}{img_suffix}'
        )
        pixels += counts
        seen[stem] = tuple(int(x) for x in np.flatnonzero(counts))
    return FolderSet(
        images,
        labels,
        tuple(stems),
        tuple(seen.get(stem, ()) for stem in stems),
        img_suffix,
        label_suffix,
        pixels,
    )


def _one_suffix(files: Sequence[Path], folder: Path) -> str:
    suffixes = Counter(x.suffix for x in files)
    if len(suffixes) > 1:
        raise DataError(
            f'the pictures in {folder} end in {", ".join(sorted(suffixes))}; '
            'mmseg wants one suffix in a folder: convert or rename the others'
        )
    return files[0].suffix


def _count_labels(file: Path, picture: Path) -> np.ndarray:
    try:
        values = read_labels(file)
    except DataError as error:
        raise DataError(f'{file} is no label map: {error}') from error
    size = values.shape[::-1]
    shown = header_size(str(picture)) or size  # else it is told elsewhere
    if size != shown:
        raise DataError(
            f'{file} is {size[0]} x {size[1]} px, and its picture {picture} '
            f'{shown[0]} x {shown[1]}: a label map has a value for each pixel '
            'of the picture; resize it with nearest neighbour, or write it '
            'again'
        )
    if values.size and not 0 <= values.min() <= values.max() < LABELS:
        raise DataError(
            f'{file} has the labels {values.min()} to {values.max()}; mmseg '
            'knows 0 to 255'
        )
    return np.bincount(values.reshape(-1).astype(int), minlength=LABELS)
