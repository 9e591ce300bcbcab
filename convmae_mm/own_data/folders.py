"""Look at label maps and at class folders, and list what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote

from convmae_mm.data_check import class_folders
from convmae_mm.data_check.exports import refuse_export
from convmae_mm.data_check.label_maps import (
    IGNORED,
    NUM_LABELS,
    LabelMap,
    LabelRules,
    check_labels,
    read_label_maps,
)
from convmae_mm.data_check.pictures import measure
from convmae_mm.data_check.places import (
    ROLES,
    find_splits,
    subfolders,
    words_of,
)
from convmae_mm.data_check.segmentation_set import Pairs
from convmae_mm.errors import ConfigError, DataError

from .pictures import list_pictures, notes_of, tell_faults, tell_left_out
from .split import held_out

# Reading label maps costs milliseconds each: of more, these are drawn.
READ_MAPS = 2000


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
        maps: The label maps that were read, by their names.
    """

    images: Path
    labels: Path | None
    names: tuple[str, ...]
    classes: tuple[Collection[str | int], ...]
    img_suffix: str = ''
    label_suffix: str = ''
    maps: Mapping[str, LabelMap] = field(default_factory=dict)

    @property
    def pictures(self) -> list[Path]:
        """Paths of the pictures."""
        return [self.images / f'{x}{self.img_suffix}' for x in self.names]

    @property
    def pixels(self) -> Counter[int]:
        """How many have each label."""
        found = Counter[int]()
        for label_map in self.maps.values():
            found.update(label_map.pixels)
        return found

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

    def list_names(self, numbers: Mapping[str, int] | None = None) -> str:
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
        if ignored is not None and not 0 <= ignored < NUM_LABELS:
            raise ConfigError(f'--ignore-label {ignored} must be 0 to 255')
        twice = [x for x, count in Counter(names).items() if count > 1]
        if twice:
            raise ConfigError(f'--classes names {twice[0]!r} more than once')
        if not all(x.strip() for x in names):
            raise ConfigError(f'--classes {list(names)} has an empty name')
        if ignored is not None and ignored < len(names):
            print(
                f'--ignore-label {ignored} is {names[ignored]!r} of '
                '--classes, which is neither learnt nor scored then'
            )
        rules = LabelRules(
            num_classes=len(names) or None,
            zero_is_unlabelled=first == 1,
            ignored=IGNORED if first or ignored is None else ignored,
            names=names,
        )
        for split in splits:
            assert split.labels is not None
            notes = notes_of(split.labels)
            check_labels(split.maps, True, rules, notes)
            tell_faults(notes)
        if not names:
            seen = {rules.label(x) for split in splits for x in split.pixels}
            number = max(seen - {rules.ignored}) + 1
            names = [f'class {i}' for i in range(first, first + number)]
        return cls(tuple(names), first, rules.ignored)

    def shares(self, split: FolderSet) -> list[float]:
        """Of the labelled pixels, how many each class has."""
        pixels = split.pixels
        counts = [
            pixels[i + self.first] * (i != self.ignored)
            for i in range(len(self.names))
        ]
        return [x / max(1, sum(counts)) for x in counts]


def look_at_class_folders(folder: Path) -> FolderSet:
    """One folder of pictures for each class.

    Prints what is in no class.

    Raises:
        DataError: If there are not two of them, or they are splits.
    """
    refuse_export(folder)
    pictures = _names(folder)
    files = [x for x in pictures if '/' in x]
    names = {x.partition('/')[0] for x in files}
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
    notes = notes_of(folder)
    whole = class_folders.ClassFolders(
        str(folder), folder, folder, listed=True
    )
    whole.examine(pictures, notes)
    tell_faults(notes)
    tell_left_out(folder)
    if len(names) < 2:
        raise DataError(
            f'{folder} has {len(names)} folders with pictures: a classifier '
            'wants one for each class, two at least'
        )
    return FolderSet(
        folder,
        None,
        tuple(files),
        tuple((x.partition('/')[0],) for x in files),
    )


def look_at_label_maps(images: Path, labels: Path) -> FolderSet:
    """Pictures, and a label map for each: of the same name, but for an end.

    Raises:
        DataError: If one is missing or no label map.
    """
    files = _names(images)
    try:
        pairs = Pairs.of(images, labels, files, _names(labels))
    except DataError:
        refuse_export(labels)
        raise
    notes = notes_of(labels, READ_MAPS)
    pairs.check_suffixes(notes)
    pairs.check_partners(notes)
    sizes = pairs.sizes_of_maps(measure(images, files, notes))
    stems = list(pairs.pictures.values())
    names = [f'{x}{pairs.map_suffix}' for x in stems]
    maps: dict[str, LabelMap] = {}
    if not notes.report.num_errors:
        maps = read_label_maps(names, labels, sizes, notes)
    tell_faults(notes)
    tell_left_out(images)
    return FolderSet(
        images,
        labels,
        tuple(stems),
        tuple(maps.get(name, LabelMap()).values for name in names),
        pairs.img_suffix,
        pairs.map_suffix,
        maps,
    )


def _names(folder: Path) -> list[str]:
    """Of all pictures in and below a folder, relative to it."""
    files = list_pictures(folder)
    return [x.relative_to(folder).as_posix() for x in files]
