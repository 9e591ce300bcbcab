"""One split of a detection set: a COCO file and its pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .coco_classes import ExpectedClasses
from .coco_file import check_coco, read_annotations
from .coco_instances import CocoContent
from .pictures import (
    Load,
    check_count,
    check_sizes,
    check_turned,
    existing,
    measure,
)
from .places import list_files, require_folder
from .report import Examiner, Notes, Report


@dataclass(frozen=True)
class DetectionSet:
    """One split of a detection set.

    Args:
        part: Its name in the report.
        ann_file: The annotation file.
        images: The folder that its ``file_name`` are relative to.
        root: Where to look for what is not there.
        classes: What a config will ask for; None if any will do.
        with_masks: Whether each annotation needs an instance mask; None
            where masks are used if all have one.
        num_images: How many it is known to have.
        num_annotations: How many it is known to have.
        learned: Whether a class without annotations is worth a word.
        labelled: Whether it needs annotations.
        bare_will_do: Whether having no annotation at all is only unusual.
        load: Reads a picture as a training would; by default any picture.
    """

    part: str
    ann_file: Path
    images: str | Path
    root: Path
    classes: ExpectedClasses | None = None
    with_masks: bool | None = True
    num_images: int | None = None
    num_annotations: int | None = None
    learned: bool = True
    labelled: bool = True
    bare_will_do: bool = False
    load: Load | None = None

    def read(self, notes: Notes) -> CocoContent | None:
        """The annotation file; notes what is wrong with it.

        Returns:
            None if it is no COCO file.
        """
        data = read_annotations(self.ann_file, self.root, notes)
        if data is None:
            return None
        return check_coco(
            data,
            notes,
            self.classes,
            with_masks=self.with_masks,
            learned=self.learned,
            labelled=self.labelled,
            bare_will_do=self.bare_will_do,
            pictures=self.images,
        )

    def find_pictures(self, content: CocoContent, notes: Notes) -> list[str]:
        """Paths of those that exist; notes the others, and other sizes."""
        stated = {
            os.path.join(self.images, x['file_name']): (
                x['width'],
                x['height'],
            )
            for x in content.images
        }
        paths = existing(list(stated), self.images, self.root, notes)
        check_sizes(stated, measure(Path(), paths, notes, self.load), notes)
        check_turned(Path(), paths, notes, self.load)
        return paths

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        notes = Notes(report, self.part, examiner)
        folder = Path(self.images)
        content = self.read(notes)
        if content is not None:
            annotations = content.annotations
            notes.count(
                images=len(content.images),
                annotations=len(annotations),
                categories=len(content.categories),
                crowds=sum(bool(x['iscrowd']) for x in annotations),
            )
            for what, found, known in (
                ('images', content.images, self.num_images),
                ('annotations', annotations, self.num_annotations),
            ):
                what = f'{what} in {self.ann_file}'
                check_count('record-count', what, len(found), known, notes)
        if not require_folder(folder, self.root, notes):
            return
        present = list_files(folder)
        notes.count(files=len(present))
        what = f'pictures in {folder}'
        check_count('image-count', what, len(present), self.num_images, notes)
        if content is None:
            measure(folder, present, notes)
            return
        self.find_pictures(content, notes)
        listed = {os.path.normpath(x['file_name']) for x in content.images}
        notes.warning(
            'image-unlisted',
            f'{{count}} of {len(present):,} pictures in {folder} are in '
            'no annotation file, so that nothing reads them',
            'remove them, or add them to the annotations',
            [name for name in present if name not in listed],
        )
