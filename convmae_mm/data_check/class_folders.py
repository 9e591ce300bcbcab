"""One split of a classification set: a folder of pictures for each class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .pictures import check_count, measure
from .places import ARCHIVES, list_files, require_folder, subfolders
from .report import Examiner, Notes, Report


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
