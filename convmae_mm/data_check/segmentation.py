"""A segmentation set: pictures and label maps of the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convmae_mm.datasets.image_files import endings

from .examiner import Examiner
from .label_maps import LabelRules, check_label_maps
from .pictures import check_count, measure
from .places import list_files, require_folder
from .report import Report


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
        root, part = self.root, self.part
        has_images = require_folder(
            self.images, root, 'image-folder-missing', part, report
        )
        has_maps = require_folder(
            self.label_maps, root, 'label-map-folder-missing', part, report
        )
        images = list_files(self.images) if has_images else []
        maps = list_files(self.label_maps) if has_maps else []
        report.note(part, images=len(images), label_maps=len(maps))
        for what, names, there in (
            ('pictures', images, has_images),
            ('label maps', maps, has_maps),
        ):
            if there:
                check_count(
                    'image-count' if names is images else 'label-map-count',
                    what,
                    len(names),
                    self.num_images,
                    part,
                    report,
                )
        self._check_suffixes(images, maps, report)
        sizes = (
            measure(self.images, images, part, report, examiner)
            if has_images
            else {}
        )
        if has_images and has_maps:
            self._check_pairs(images, maps, report)
        if has_maps:
            ends = _endings(images, maps)
            by_stem = {_stem(k, ends[0]): size for k, size in sizes.items()}
            stems = {x: _stem(x, ends[1]) for x in maps}
            check_label_maps(
                maps,
                self.label_maps,
                {x: by_stem[y] for x, y in stems.items() if y in by_stem},
                LabelRules(self.num_classes, self.zero_is_unlabelled),
                part,
                report,
                examiner,
            )

    def _check_suffixes(
        self, images: Sequence[str], maps: Sequence[str], report: Report
    ) -> None:
        suffixes = Counter(PurePosixPath(x).suffix for x in images)
        if len(suffixes) > 1:
            common = suffixes.most_common(1)[0][0]
            report.add(
                'image-suffix',
                self.part,
                f'{{count}} of {len(images):,} pictures do not end in '
                f'{common}; mmseg reads files of one suffix (img_suffix) and '
                'passes over the others without a word',
                'convert them, or join two data sets with ConcatDataset',
                [x for x in images if not x.endswith(common)],
            )
        report.add(
            'label-map-suffix',
            self.part,
            f'{{count}} of {len(maps):,} label maps do not end in .png',
            'write them as PNG: a lossy format changes labels',
            [x for x in maps if not x.endswith('.png')],
        )

    def _check_pairs(
        self, images: Sequence[str], maps: Sequence[str], report: Report
    ) -> None:
        ends = _endings(images, maps)
        map_stems = {_stem(x, ends[1]) for x in maps}
        image_stems = {_stem(x, ends[0]) for x in images}
        report.add(
            'label-map-missing',
            self.part,
            f'{{count}} of {len(images):,} pictures have no label map in '
            f'{self.label_maps}',
            f'a label map has the name of its picture and ends in '
            f'{ends[1]}.png; add or rename them, or remove the pictures',
            [x for x in images if _stem(x, ends[0]) not in map_stems],
        )
        report.add(
            'label-map-unmatched',
            self.part,
            f'{{count}} of {len(maps):,} label maps have no picture in '
            f'{self.images}, so that nothing reads them',
            'add the pictures, or remove the label maps',
            [x for x in maps if _stem(x, ends[1]) not in image_stems],
            severity='warning',
        )


def _stem(name: str, ending: str = '') -> str:
    return PurePosixPath(name).with_suffix('').as_posix().removesuffix(ending)


def _endings(images: Sequence[str], maps: Sequence[str]) -> tuple[str, str]:
    return endings([_stem(x) for x in images], [_stem(x) for x in maps])
