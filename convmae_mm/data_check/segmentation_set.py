"""One split of a segmentation set: pictures and their label maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convmae_mm.datasets.image_files import endings

from .label_maps import LabelRules, check_label_maps
from .pictures import check_count, measure
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
        _check_suffixes(images, maps, notes)
        sizes = measure(self.images, images, notes) if has_images else {}
        if not has_maps:
            return
        ends = endings([_stem(x) for x in images], [_stem(x) for x in maps])
        pictures = {x: _stem(x, ends[0]) for x in images}
        stems = {x: _stem(x, ends[1]) for x in maps}
        if has_images:
            self._check_pairs(pictures, stems, ends[1], notes)
        by_stem = {pictures[name]: size for name, size in sizes.items()}
        check_label_maps(
            maps,
            self.label_maps,
            {x: by_stem[y] for x, y in stems.items() if y in by_stem},
            LabelRules(self.num_classes, self.zero_is_unlabelled),
            notes,
        )

    def _check_pairs(
        self,
        pictures: dict[str, str],
        stems: dict[str, str],
        ending: str,
        notes: Notes,
    ) -> None:
        """Compare the stems of pictures with those of label maps."""
        shown, mapped = set(pictures.values()), set(stems.values())
        notes.error(
            'label-map-missing',
            f'{{count}} of {len(pictures):,} pictures have no label map in '
            f'{self.label_maps}',
            f'a label map has the name of its picture and ends in '
            f'{ending}.png; add or rename them, or remove the pictures',
            [name for name, stem in pictures.items() if stem not in mapped],
        )
        notes.warning(
            'label-map-unmatched',
            f'{{count}} of {len(stems):,} label maps have no picture in '
            f'{self.images}, so that nothing reads them',
            'add the pictures, or remove the label maps',
            [name for name, stem in stems.items() if stem not in shown],
        )


def _check_suffixes(
    images: Sequence[str], maps: Sequence[str], notes: Notes
) -> None:
    suffixes = Counter(PurePosixPath(x).suffix for x in images)
    for common, _ in suffixes.most_common(1):
        notes.error(
            'image-suffix',
            f'{{count}} of {len(images):,} pictures do not end in {common}; '
            'mmseg reads files of one suffix (img_suffix) and passes over the '
            'others without a word',
            'convert them, or join two data sets with ConcatDataset',
            [x for x in images if not x.endswith(common)],
        )
    notes.error(
        'label-map-suffix',
        f'{{count}} of {len(maps):,} label maps do not end in .png',
        'write them as PNG: a lossy format changes labels',
        [x for x in maps if not x.endswith('.png')],
    )


def _stem(name: str, ending: str = '') -> str:
    return PurePosixPath(name).with_suffix('').as_posix().removesuffix(ending)
