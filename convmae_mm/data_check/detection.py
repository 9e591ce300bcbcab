"""A detection set in COCO format: an annotation file and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .coco_file import CocoContent, ExpectedClasses, check_coco
from .examiner import Examiner
from .json_files import read_json
from .pictures import check_count, check_listed, check_sizes, measure
from .places import how_to_place, list_files, require_folder
from .report import Report


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
        content = self._check_file(report)
        missing = 'image-folder-missing'
        if not require_folder(
            self.images, self.root, missing, self.part, report
        ):
            return
        present = list_files(self.images)
        report.note(self.part, files=len(present))
        check_count(
            'image-count',
            f'pictures in {self.images}',
            len(present),
            self.num_images,
            self.part,
            report,
        )
        if content is None:
            measure(self.images, present, self.part, report, examiner)
            return
        stated = {
            x['file_name']: (x['width'], x['height']) for x in content.images
        }
        listed = check_listed(
            list(stated), present, self.images, self.part, report
        )
        measured = measure(self.images, listed, self.part, report, examiner)
        check_sizes(stated, measured, self.part, report)

    def _check_file(self, report: Report) -> CocoContent | None:
        data = read_annotations(self.ann_file, self.root, self.part, report)
        if data is None:
            return None
        content = check_coco(
            data, self.part, report, self.classes, self.with_masks
        )
        if content is not None:
            for what in ('images', 'annotations'):
                check_count(
                    'record-count',
                    f'{what} in {self.ann_file}',
                    len(getattr(content, what)),
                    getattr(self, f'num_{what}'),
                    self.part,
                    report,
                )
        return content


def read_annotations(
    ann_file: Path, root: Path, part: str, report: Report
) -> Any:
    """The content of an annotation file, or None after noting why not."""
    if not ann_file.is_file():
        report.add(
            'annotation-file-missing',
            part,
            f'the annotation file {ann_file} does not exist',
            how_to_place(ann_file, root),
        )
        return None
    return read_json(ann_file, part, report)
