"""Parts of a data set that can be checked without a config."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS, endings

from .coco_classes import ExpectedClasses
from .coco_file import check_coco, read_annotations
from .label_maps import LabelRules, check_label_maps
from .pictures import check_count, check_sizes, measure, note_missing
from .places import ARCHIVES, list_files, require_folder, subfolders
from .report import Examiner, Notes, Report


class Part(Protocol):
    """A part of a data set that can be checked by itself."""

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""


@dataclass(frozen=True)
class PictureFolder:
    """A folder of pictures without labels, nested as it may be.

    Args:
        part: Its name in the report.
        folder: Where it is.
        root: Where to look for it if it is not there.
        expected: How many pictures it should hold, if that is known.
    """

    part: str
    folder: Path
    root: Path
    expected: int | None = None

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        if not require_folder(self.folder, self.root, notes):
            return
        names = list_files(self.folder)
        notes.count(images=len(names))
        if not names:
            notes.error(
                'no-images',
                f'{self.folder} holds no picture',
                f'put files there that end in {", ".join(IMAGE_EXTENSIONS)}',
            )
            return
        check_count(
            'image-count', 'pictures', len(names), self.expected, notes
        )
        measure(self.folder, names, notes)


@dataclass(frozen=True)
class ClassFolders:
    """One split of a classification set.

    Args:
        part: Its name in the report.
        folder: The folder of the class folders.
        root: Where to look for it if it is not there.
        num_classes: How many class folders it should have.
        num_images: How many pictures it should have.
        images_per_class: The least and the most that a class should have.
        like: Another split's folder: the class folders must have the same
            names, because a class is numbered by its place among them.
    """

    part: str
    folder: Path
    root: Path
    num_classes: int | None = None
    num_images: int | None = None
    images_per_class: tuple[int, int] | None = None
    like: Path | None = None

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        if not require_folder(self.folder, self.root, notes):
            return
        classes = subfolders(self.folder)
        names = list_files(self.folder)
        notes.count(classes=len(classes), images=len(names))
        self._check_sorted(classes, names, notes)
        if classes:
            self._check_classes(classes, names, notes)
        check_count(
            'image-count', 'pictures', len(names), self.num_images, notes
        )
        if names:
            measure(self.folder, names, notes)

    def _check_sorted(
        self, classes: list[str], names: list[str], notes: Notes
    ) -> None:
        """Note what does not lie in class folders."""
        packed = sorted(
            x.name
            for x in self.folder.iterdir()
            if x.suffix.lower() in ARCHIVES
        )
        loose = [name for name in names if '/' not in name]
        notes.error(
            'not-unpacked',
            f'{{count}} archives lie in {self.folder}',
            'unpack each into a folder of its own name: for f in *.tar; do '
            'mkdir "${f%.tar}" && tar -xf "$f" -C "${f%.tar}" && rm "$f"; '
            'done',
            packed,
        )
        notes.error(
            'not-sorted',
            f'{{count}} pictures lie in {self.folder} itself instead of the '
            'folder of their class',
            'move each into the folder of its class, as in the training '
            "split; ImageNet's validation pictures come unsorted and their "
            'classes are in the development kit',
            loose,
        )
        if not classes and not loose and not packed:
            notes.error(
                'no-images',
                f'{self.folder} is empty',
                'put one folder of pictures there for each class',
            )

    def _check_classes(
        self, classes: list[str], names: list[str], notes: Notes
    ) -> None:
        if self.num_classes not in (None, len(classes)):
            notes.error(
                'class-count',
                f'{len(classes):,} class folders instead of '
                f'{self.num_classes:,}',
                'every class needs its folder and nothing else may be one: '
                'classes are numbered in the order of the folders, so that '
                'one more or less renumbers those behind it',
            )
        if self.like is not None and self.like.is_dir():
            others = subfolders(self.like)
            notes.error(
                'class-names',
                f'{{count}} class folders are in one of {self.folder} and '
                f'{self.like} only',
                'give both splits the same folders: a class is numbered by '
                'its place among them, so that one more shifts the others',
                [
                    f'{name} only in {where.name}'
                    for where, own, other in (
                        (self.folder, classes, set(others)),
                        (self.like, others, set(classes)),
                    )
                    for name in own
                    if name not in other
                ],
            )
        counts = Counter(x.partition('/')[0] for x in names if '/' in x)
        notes.error(
            'class-empty',
            f'{{count}} of {len(classes):,} class folders hold no picture',
            'get their pictures again, or remove the class everywhere',
            [x for x in classes if not counts[x]],
        )
        if self.images_per_class is not None:
            least, most = self.images_per_class
            span = f'{least:,}' if least == most else f'{least:,} to {most:,}'
            wrong = [x for x, n in counts.items() if not least <= n <= most]
            notes.error(
                'class-image-count',
                f'{{count}} of {len(classes):,} classes have other than '
                f'{span} pictures',
                'unpack these classes again',
                [f'{x} ({counts[x]:,})' for x in sorted(wrong)],
            )


@dataclass(frozen=True)
class DetectionSet:
    """One split of a detection set.

    Args:
        part: Its name in the report.
        ann_file: The annotation file.
        images: The folder that its ``file_name`` are relative to.
        root: Where to look for what is not there.
        classes: What a config will ask for; None if any will do.
        with_masks: Whether each annotation needs an instance mask.
        num_images: How many it is known to have.
        num_annotations: How many it is known to have.
    """

    part: str
    ann_file: Path
    images: Path
    root: Path
    classes: ExpectedClasses | None = None
    with_masks: bool = True
    num_images: int | None = None
    num_annotations: int | None = None

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        data = read_annotations(self.ann_file, self.root, notes)
        content = None
        if data is not None:
            content = check_coco(
                *(data, notes, self.classes, self.with_masks),
                pictures=self.images,
            )
        if content is not None:
            for what, found, known in (
                ('images', content.images, self.num_images),
                ('annotations', content.annotations, self.num_annotations),
            ):
                what = f'{what} in {self.ann_file}'
                check_count('record-count', what, len(found), known, notes)
        if not require_folder(self.images, self.root, notes):
            return
        present = list_files(self.images)
        notes.count(files=len(present))
        what = f'pictures in {self.images}'
        check_count('image-count', what, len(present), self.num_images, notes)
        if content is None:
            measure(self.images, present, notes)
            return
        stated = {
            x['file_name']: (x['width'], x['height']) for x in content.images
        }
        there = set(present)
        missing = [name for name in stated if name not in there]
        note_missing(missing, list(stated), present, self.images, notes)
        notes.warning(
            'image-unlisted',
            f'{{count}} of {len(present):,} pictures in {self.images} are in '
            'no annotation file, so that nothing reads them',
            'remove them, or add them to the annotations',
            [name for name in present if name not in stated],
        )
        listed = [name for name in stated if name in there]
        check_sizes(stated, measure(self.images, listed, notes), notes)


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
