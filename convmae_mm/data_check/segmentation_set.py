"""One split of a segmentation set: pictures and their label maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convmae_mm.datasets.image_files import endings

from .label_maps import (
    LabelRules,
    check_labels,
    note_missing_maps,
    read_label_maps,
)
from .pictures import (
    Sizes,
    check_count,
    check_suffix,
    check_turned,
    measure,
)
from .places import list_files, require_folder
from .report import Examiner, Notes, Report


@dataclass(frozen=True)
class SegmentationSet:
    """One split of a segmentation set.

    A picture's label map has its name, one ending for all, such as ``_mask``
    or none, and the suffix ``.png``.

    Args:
        part: Its name in the report.
        images: Folder of the pictures.
        label_maps: Folder of the label maps.
        root: Where to look for what is not there.
        num_classes: How many classes a config will have; None if unknown.
        zero_is_unlabelled: Labels are 1 to ``num_classes`` and 0 is no
            class, as in ADE20K (``reduce_zero_label=True``). Otherwise they
            are 0 to ``num_classes`` - 1. 255 is ignored in both.
        num_images: How many it is known to have.
    """

    part: str
    images: Path
    label_maps: Path
    root: Path
    num_classes: int | None = None
    zero_is_unlabelled: bool = False
    num_images: int | None = None

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        has_images = require_folder(self.images, self.root, notes)
        missing = 'label-map-folder-missing'
        has_maps = require_folder(self.label_maps, self.root, notes, missing)
        images = list_files(self.images) if has_images else []
        maps = list_files(self.label_maps) if has_maps else []
        notes.count(images=len(images), label_maps=len(maps))
        for code, what, names, there in (
            ('image-count', 'pictures', images, has_images),
            ('label-map-count', 'label maps', maps, has_maps),
        ):
            if there:
                check_count(code, what, len(names), self.num_images, notes)
        pairs = Pairs.of(self.images, self.label_maps, images, maps, '.png')
        pairs.check_suffixes(notes)
        if has_images and has_maps:
            pairs.check_partners(notes)
        sizes = measure(self.images, images, notes) if has_images else {}
        if not has_maps:
            return
        found = read_label_maps(
            maps, self.label_maps, pairs.sizes_of_maps(sizes), notes
        )
        rules = LabelRules(self.num_classes, self.zero_is_unlabelled)
        check_labels(found, len(found) == len(maps), rules, notes)


@dataclass(frozen=True)
class Pairs:
    """Pictures and label maps that share a name, but for what it ends in.

    Attributes:
        images: Folder of the pictures.
        label_maps: Folder of the label maps.
        pictures: What each shares with its label map, by its name.
        maps: The same of the label maps.
        img_suffix: What the names of the pictures end in.
        map_suffix: What those of the label maps end in.
    """

    images: Path
    label_maps: Path
    pictures: Mapping[str, str]
    maps: Mapping[str, str]
    img_suffix: str
    map_suffix: str

    @classmethod
    def of(
        cls,
        images: Path,
        label_maps: Path,
        names: Sequence[str],
        maps: Sequence[str],
        suffix: str = '',
    ) -> Pairs:
        """Find what the names share.

        Args:
            images: Folder of the pictures.
            label_maps: Folder of the label maps.
            names: Of the pictures.
            maps: Names of the label maps.
            suffix: That label maps must have; by default the one that most
                have.
        """
        ends = endings([_stem(x) for x in names], [_stem(x) for x in maps])
        pictures = {x: _stem(x, ends[0]) for x in names}
        stems = {x: _stem(x, ends[1]) for x in maps}
        shown = set(pictures.values())
        used = [x for x, stem in stems.items() if stem in shown] or maps
        img_suffix, map_suffix = map(_common_suffix, (names, used))
        return cls(
            images,
            label_maps,
            pictures,
            stems,
            img_suffix=ends[0] + img_suffix,
            map_suffix=ends[1] + (suffix or map_suffix),
        )

    @property
    def unmatched(self) -> list[str]:
        """Label maps without a picture."""
        shown = set(self.pictures.values())
        return [x for x, stem in self.maps.items() if stem not in shown]

    def check_suffixes(self, notes: Notes) -> None:
        """Note what would be passed over, or changed."""
        check_suffix(list(self.pictures), self.img_suffix, self.images, notes)
        suffix = f'.{self.map_suffix.rpartition(".")[2]}'
        extra = self.unmatched
        used = [x for x in self.maps if x not in set(extra)] or extra
        notes.error(
            'label-map-suffix',
            f'{{count}} of {len(used):,} label maps in {self.label_maps} '
            f'have another suffix than {suffix}, or a lossy one',
            'write them as PNG, from what they were made of: JPEG changes '
            'labels where they meet',
            [x for x in used if not x.endswith(suffix) or _is_lossy(x)],
        )

    def check_partners(self, notes: Notes) -> None:
        """Note pictures and label maps that are alone."""
        mapped = set(self.maps.values())
        note_missing_maps(
            [x for x, stem in self.pictures.items() if stem not in mapped],
            len(self.pictures),
            self.label_maps,
            self.map_suffix,
            notes,
        )
        notes.warning(
            'label-map-unmatched',
            f'{{count}} of {len(self.maps):,} label maps have no picture in '
            f'{self.images}, so that nothing reads them',
            'add the pictures, or remove the label maps',
            self.unmatched,
        )
        check_turned(self.images, list(self.pictures), notes)

    def sizes_of_maps(self, sizes: Sizes) -> dict[str, tuple[int, int]]:
        """Sizes of pictures by the names of their label maps."""
        by_stem = {self.pictures[name]: size for name, size in sizes.items()}
        return {x: by_stem[y] for x, y in self.maps.items() if y in by_stem}


def _common_suffix(names: Sequence[str]) -> str:
    suffixes = Counter(PurePosixPath(x).suffix for x in names)
    return next((x for x, _ in suffixes.most_common(1)), '.png')


def _is_lossy(name: str) -> bool:
    return name.lower().endswith(('.jpg', '.jpeg'))


def _stem(name: str, ending: str = '') -> str:
    return PurePosixPath(name).with_suffix('').as_posix().removesuffix(ending)
