"""A segmentation set: pictures and label maps of the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from .examiner import Examiner
from .pictures import check_count, measure
from .places import list_files, require_folder
from .report import Report

# What mmseg leaves out of loss and score.
IGNORED = 255


@dataclass(frozen=True)
class LabelMap:
    """What a label map file holds.

    Attributes:
        size: (width, height).
        values: The labels that occur, ascending.
        problem: Why it is no label map; empty if it is one.
    """

    size: tuple[int, int] = (0, 0)
    values: tuple[int, ...] = ()
    problem: str = ''


def read_label_map(path: Path) -> LabelMap:
    """Read a label map as mmseg's ``LoadAnnotations`` does, through PIL."""
    try:
        with Image.open(path) as image:
            labels = np.asarray(image)
            mode = image.mode
    except Exception as error:  # PIL's decoders raise whatever they meet
        return LabelMap(problem=f'{type(error).__name__}: {error}')
    if labels.ndim != 2:
        return LabelMap(
            problem=f'{labels.shape[2]} channels (mode {mode}) instead of '
            'one label for each pixel'
        )
    if labels.dtype.kind not in 'biu':
        return LabelMap(problem=f'{labels.dtype} instead of whole numbers')
    height, width = labels.shape
    values = tuple(int(x) for x in np.unique(labels))
    return LabelMap(size=(width, height), values=values)


@dataclass(frozen=True)
class SegmentationSet:
    """One split of a segmentation set.

    A picture's label map has its name and the suffix ``.png``.

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
            self._check_maps(maps, sizes, report, examiner)

    @property
    def valid(self) -> range:
        """The labels that are allowed besides 255."""
        first_unknown = (self.num_classes or 0) + self.zero_is_unlabelled
        return range(first_unknown if self.num_classes else IGNORED)

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
        map_stems = {_stem(x) for x in maps}
        image_stems = {_stem(x) for x in images}
        report.add(
            'label-map-missing',
            self.part,
            f'{{count}} of {len(images):,} pictures have no label map in '
            f'{self.label_maps}',
            'a label map has the name of its picture and ends in .png; add '
            'or rename them, or remove the pictures',
            [x for x in images if _stem(x) not in map_stems],
        )
        report.add(
            'label-map-unmatched',
            self.part,
            f'{{count}} of {len(maps):,} label maps have no picture in '
            f'{self.images}, so that nothing reads them',
            'add the pictures, or remove the label maps',
            [x for x in maps if _stem(x) not in image_stems],
            severity='warning',
        )

    def _check_maps(
        self,
        names: Sequence[str],
        image_sizes: dict[str, tuple[int, int]],
        report: Report,
        examiner: Examiner,
    ) -> None:
        chosen = examiner.choose(names)
        found = examiner.map(
            lambda name: read_label_map(self.label_maps / name),
            chosen,
            f'{self.part}: label maps',
        )
        report.note_examined(
            self.part, 'label maps read', len(chosen), len(names)
        )
        maps = dict(zip(chosen, found, strict=True))
        report.add(
            'label-map-unreadable',
            self.part,
            f'{{count}} of {len(maps):,} files are no label maps',
            'write 8-bit PNG with one channel, whose values are the labels',
            [f'{k} ({v.problem})' for k, v in maps.items() if v.problem],
        )
        maps = {k: v for k, v in maps.items() if not v.problem}
        self._check_map_sizes(maps, image_sizes, report)
        self._check_values(maps, report)

    def _check_map_sizes(
        self,
        maps: dict[str, LabelMap],
        image_sizes: dict[str, tuple[int, int]],
        report: Report,
    ) -> None:
        sizes = {_stem(name): size for name, size in image_sizes.items()}
        wrong = []
        for name, label_map in maps.items():
            size = sizes.get(_stem(name), label_map.size)
            if size != label_map.size:
                wrong.append(
                    f'{name} ({label_map.size[0]} x {label_map.size[1]}, '
                    f'picture: {size[0]} x {size[1]})'
                )
        report.add(
            'label-map-size',
            self.part,
            f'{{count}} of {len(maps):,} label maps have another size than '
            'their picture',
            'resize neither alone; label maps only with nearest neighbour',
            wrong,
        )

    def _check_values(self, maps: dict[str, LabelMap], report: Report) -> None:
        allowed = {*self.valid, IGNORED}
        wrong = []
        for name, label_map in maps.items():
            values = [x for x in label_map.values if x not in allowed]
            if values:
                wrong.append(f'{name} (labels {values[:8]})')
        zero = ' (0: unlabelled)' if self.zero_is_unlabelled else ''
        report.add(
            'label-map-value',
            self.part,
            f'{{count}} of {len(maps):,} label maps hold labels outside 0 '
            f'to {self.valid[-1]}{zero}, and not 255, which is ignored',
            'map the labels to this range, or correct num_classes; a '
            'training would fail at the loss',
            wrong,
        )
        used = {x for label_map in maps.values() for x in label_map.values}
        unlabelled = {IGNORED, *([0] if self.zero_is_unlabelled else [])}
        if maps and used <= unlabelled:
            report.add(
                'label-map-empty',
                self.part,
                f'none of {len(maps):,} label maps has a labelled pixel: all '
                f'are {sorted(used)}',
                'check how they were written',
            )
        if self.num_classes and not self.zero_is_unlabelled:
            self._check_shift(used, report)

    def _check_shift(self, used: set[int], report: Report) -> None:
        """Labels from 1 on look like ADE20K's, where 0 is no class."""
        if used and min(used) > 0 and self.num_classes in used:
            report.add(
                'label-map-shift',
                self.part,
                f'the labels are 1 to {self.num_classes} instead of 0 to '
                f'{self.valid[-1]}',
                'if 0 means unlabelled, check with --zero-is-unlabelled and '
                'train with reduce_zero_label=True',
            )


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix('').as_posix()
