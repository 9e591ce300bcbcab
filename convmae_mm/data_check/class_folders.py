"""A classification set: one folder of pictures for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .examiner import Examiner
from .pictures import check_count, measure
from .places import ARCHIVES, list_files, require_folder
from .report import Report


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
        missing = 'image-folder-missing'
        if not require_folder(
            self.folder, self.root, missing, self.part, report
        ):
            return
        classes = subfolders(self.folder)
        names = list_files(self.folder)
        loose = [name for name in names if '/' not in name]
        report.note(self.part, classes=len(classes), images=len(names))
        if self._check_sorted(classes, loose, report):
            self._check_classes(classes, names, report)
        check_count(
            'image-count',
            'pictures',
            len(names),
            self.num_images,
            self.part,
            report,
        )
        if names:
            measure(self.folder, names, self.part, report, examiner)

    def _check_sorted(
        self, classes: list[str], loose: list[str], report: Report
    ) -> bool:
        """Whether pictures lie in class folders; notes those that do not."""
        packed = sorted(
            file.name
            for file in self.folder.iterdir()
            if file.suffix.lower() in ARCHIVES
        )
        report.add(
            'not-unpacked',
            self.part,
            f'{{count}} archives lie in {self.folder}',
            'unpack each into a folder of its own name: for f in *.tar; do '
            'mkdir "${f%.tar}" && tar -xf "$f" -C "${f%.tar}" && rm "$f"; '
            'done',
            packed,
        )
        report.add(
            'not-sorted',
            self.part,
            f'{{count}} pictures lie in {self.folder} itself instead of the '
            'folder of their class',
            'move each into the folder of its class, as in the training '
            "split; ImageNet's validation pictures come unsorted and their "
            'classes are in the development kit',
            loose,
        )
        if not classes and not loose and not packed:
            report.add(
                'no-images',
                self.part,
                f'{self.folder} is empty',
                'put one folder of pictures there for each class',
            )
        return bool(classes)

    def _check_classes(
        self, classes: list[str], names: list[str], report: Report
    ) -> None:
        if self.num_classes not in (None, len(classes)):
            report.add(
                'class-count',
                self.part,
                f'{len(classes):,} class folders instead of '
                f'{self.num_classes:,}',
                'every class needs its folder and nothing else may be one: '
                'classes are numbered in the order of the folders, so that '
                'one more or less renumbers those behind it',
            )
        if self.like is not None and self.like.is_dir():
            self._compare(set(classes), set(subfolders(self.like)), report)
        counts = Counter(x.partition('/')[0] for x in names if '/' in x)
        report.add(
            'class-empty',
            self.part,
            f'{{count}} of {len(classes):,} class folders hold no picture',
            'get their pictures again, or remove the class everywhere',
            [x for x in classes if not counts[x]],
        )
        if self.images_per_class is None:
            return
        least, most = self.images_per_class
        span = f'{least:,}' if least == most else f'{least:,} to {most:,}'
        report.add(
            'class-image-count',
            self.part,
            f'{{count}} of {len(classes):,} classes have other than {span} '
            'pictures',
            'unpack these classes again',
            [
                f'{x} ({counts[x]:,})'
                for x in classes
                if counts[x] and not least <= counts[x] <= most
            ],
        )

    def _compare(
        self, own: Collection[str], other: Collection[str], report: Report
    ) -> None:
        found = [f'{x} only in {self.folder.name}' for x in sorted(own)
                 if x not in other]  # fmt: skip
        if self.like is not None:
            found += [f'{x} only in {self.like.name}' for x in sorted(other)
                      if x not in own]  # fmt: skip
        report.add(
            'class-names',
            self.part,
            f'{{count}} class folders are in one of {self.folder} and '
            f'{self.like} only',
            'give both splits the same folders: a class is numbered by its '
            'place among them, so that one more shifts the others',
            found,
        )


def subfolders(folder: Path) -> list[str]:
    """Names of the class folders, in the order of their numbers."""
    return sorted(
        x.name
        for x in folder.iterdir()
        if x.is_dir() and not x.name.startswith('.')
    )
