"""A detection set in COCO format: an annotation file and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .coco_classes import ExpectedClasses
from .coco_file import check_coco, read_annotations
from .examiner import Examiner
from .pictures import check_count, check_sizes, measure, note_missing
from .places import list_files, require_folder
from .report import Notes, Report


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
