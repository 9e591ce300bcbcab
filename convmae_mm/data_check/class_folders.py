"""One split of a classification set: a folder of pictures for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .pictures import check_count, measure
from .places import ARCHIVES, list_files, require_folder, subfolders
from .report import Examiner, Notes, Report, Severity


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
        listed: Whether a list names the pictures of a training, so that what
            is in no class is left out instead of counted as one.
    """

    part: str
    folder: Path
    root: Path
    num_classes: int | None = None
    num_images: int | None = None
    images_per_class: tuple[int, int] | None = None
    like: Path | None = None
    listed: bool = False

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        if not require_folder(self.folder, self.root, notes):
            return
        names = list_files(self.folder)
        notes.count(classes=len(subfolders(self.folder)), images=len(names))
        self.examine(names, notes)

    def examine(self, names: list[str], notes: Notes) -> None:
        """Note what is wrong with these pictures, relative to the folder."""
        classes = subfolders(self.folder)
        self._check_sorted(classes, names, notes)
        if classes:
            self._check_classes(classes, names, notes)
        check_count(
            'image-count', 'pictures', len(names), self.num_images, notes
        )
        used = [x for x in names if '/' in x or not self.listed]
        if used:
            measure(self.folder, used, notes)

    @property
    def _severity(self) -> Severity:
        """Of what is in no class."""
        return 'warning' if self.listed else 'error'

    @property
    def _left_out(self) -> str:
        return ', and are left out' * self.listed

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
            self._severity,
        )
        notes.error(
            'not-sorted',
            f'{{count}} pictures lie in {self.folder} itself instead of the '
            f'folder of their class{self._left_out}',
            'move each into the folder of its class, as in the training '
            "split; ImageNet's validation pictures come unsorted and their "
            'classes are in the development kit',
            loose,
            self._severity,
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
            compare_folders(classes, others, str(self.like), notes)
        counts = Counter(x.partition('/')[0] for x in names if '/' in x)
        notes.error(
            'class-empty',
            f'{{count}} of {len(classes):,} class folders hold no picture'
            f'{self._left_out}',
            'get their pictures again, or remove the class everywhere',
            [x for x in classes if not counts[x]],
            self._severity,
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


def compare_folders(
    own: Sequence[str], others: Sequence[str], whose: str, notes: Notes
) -> None:
    """Note class folders that one of two splits has alone."""
    lacking = [x for x in others if x not in own]
    extra = [x for x in own if x not in others]
    notes.error(
        'class-names',
        f'its class folders are not those of {whose}: '
        f'{lacking[:8] or "none"} missing, {extra[:8] or "none"} more; a '
        'class is numbered by its place among the folders, so that others '
        'would be meant',
        'make an empty folder for each class that is missing, and move what '
        'is more elsewhere',
        lacking + extra,
    )
