"""Pictures without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS

from .pictures import check_count, measure
from .places import list_files, require_folder
from .report import Examiner, Notes, Report


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
