"""Compare predictions with the truth: by class, and picture by picture.

Each measure takes one picture after the other and says how well it went, from
0 to 1, so that the best and the worst can be shown.

Legend: K classes, N objects, H W height and width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from convmae_mm.predict.objects import (
    Objects,
    Rle,
    as_text,
    from_sample,
)
from convmae_mm.predict.writers import SHOWN_SCORE

BACKGROUND = 'nothing'
SAME_IOU = 0.5  # a found object and a true one are the same


@dataclass(frozen=True)
class ClassTable:
    """Scores of each class.

    Attributes:
        columns: Headings; the first is that of how many there are.
        rows: Name and numbers of each class; nan where there is none.
    """

    columns: list[str]
    rows: list[tuple[str, list[float]]]


@dataclass(frozen=True)
class Confusion:
    """How often a true class, by row, was taken for another, by column."""

    names: list[str]
    counts: np.ndarray


class ObjectMeasure:
    """Of detectors: average precision, and an F1 score for each picture.

    Args:
        classes: Names by label.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        size = len(self.classes) + 1
        self._counts = np.zeros((size, size), int)
        self._images: list[dict] = []
        self._truth: list[dict] = []
        self._found: list[dict] = []
        self._has_masks = False

    def add(self, sample: Any, info: Mapping[str, Any]) -> float:
        """Take a picture; its F1 score at IoU 0.5, 1 where nothing is.

        Args:
            sample: A ``DetDataSample``.
            info: What the data set says about the picture.
        """
        size = tuple(sample.ori_shape)
        found, truth = from_sample(sample), true_objects(info, size)
        image = len(self._images) + 1
        self._images.append(dict(id=image, height=size[0], width=size[1]))
        crowd = [bool(x.get('ignore_flag')) for x in info['instances']]
        # a picture without objects has masks of neither kind
        masks = found.masks is not None and (
            truth.masks is not None or not len(truth)
        )
        self._has_masks |= masks and len(truth) > 0
        for objects, target in ((truth, self._truth), (found, self._found)):
            target += as_annotations(objects, image, len(target), masks)
        for entry, ignored in zip(
            self._truth[len(self._truth) - len(truth) :], crowd, strict=True
        ):
            entry['iscrowd'] = int(ignored)
        real = truth.select(~np.array(crowd, bool))
        counts = confusion_of(found.at_least(SHOWN_SCORE), real, self.classes)
        self._counts += counts
        hits = int(np.trace(counts[:-1, :-1]))
        both = int(counts[:-1].sum() + counts[:, :-1].sum())
        return 2 * hits / both if both else 1.0

    def by_class(self) -> ClassTable:
        """Average precision at IoU 0.5 to 0.95, and at 0.5."""
        columns, tables = ['objects'], []
        kinds = ['bbox', 'segm'] if self._has_masks else ['bbox']
        for kind, title in zip(kinds, ('box', 'mask'), strict=False):
            columns += [f'{title} AP', f'{title} AP at IoU 0.5']
            tables.append(self._average_precision(kind))
        numbers = np.bincount(
            [x['category_id'] for x in self._truth if not x['iscrowd']],
            minlength=len(self.classes),
        )
        return ClassTable(
            columns,
            [
                (name, [float(numbers[k]), *np.concatenate(tables, 1)[k]])
                for k, name in enumerate(self.classes)
            ],
        )

    def _average_precision(self, kind: str) -> np.ndarray:
        """(K, 2): over all IoU and at 0.5; nan for classes without truth."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        categories = [
            dict(id=k, name=name) for k, name in enumerate(self.classes)
        ]
        sides = []
        with redirect_stdout(StringIO()):
            for annotations in (self._truth, self._found):
                side = COCO()
                side.dataset = dict(
                    images=self._images,
                    categories=categories,
                    annotations=annotations,
                )
                side.createIndex()
                sides.append(side)
            evaluation = COCOeval(*sides, kind)
            evaluation.evaluate()
            evaluation.accumulate()
        # IoU, recall, class, area (all), most objects in a picture
        precision = evaluation.eval['precision'][:, :, :, 0, -1].copy()
        precision[precision < 0] = np.nan
        known = ~np.isnan(precision).all(axis=(0, 1))
        scores = np.full((len(self.classes), 2), np.nan)
        scores[known, 0] = precision[:, :, known].mean(axis=(0, 1))
        scores[known, 1] = precision[0][:, known].mean(axis=0)
        return scores

    def confusion(self) -> Confusion:
        return Confusion([*self.classes, BACKGROUND], self._counts)


class LabelMeasure:
    """Of segmentors: intersection over union.

    Args:
        classes: Names by label.
        ignored: The label that does not count.
    """

    def __init__(self, classes: Sequence[str], ignored: int = 255) -> None:
        self.classes = list(classes)
        self.ignored = ignored
        self._counts = np.zeros((len(classes), len(classes)), int)

    def add(self, sample: Any, info: Mapping[str, Any]) -> float:
        """Take a picture; the mean IoU of the classes that are in it.

        Args:
            sample: A ``SegDataSample`` with its truth.
            info: Not needed.
        """
        truth = sample.gt_sem_seg.data[0].numpy()
        found = sample.pred_sem_seg.data[0].numpy()
        size = len(self.classes)
        known = (truth != self.ignored) & (truth < size)
        pairs = truth[known].astype(int) * size + found[known]
        counts = np.bincount(pairs, minlength=size**2).reshape(size, size)
        self._counts += counts
        shares = _iou(counts)[counts.sum(axis=1) > 0]
        return float(shares.mean()) if len(shares) else 1.0

    def by_class(self) -> ClassTable:
        shares = _iou(self._counts)
        numbers = self._counts.sum(axis=1)
        recall = np.diag(self._counts) / np.where(numbers, numbers, np.nan)
        return ClassTable(
            ['pixels', 'IoU', 'recall'],
            [
                (name, [float(numbers[k]), float(shares[k]), float(recall[k])])
                for k, name in enumerate(self.classes)
            ],
        )

    def confusion(self) -> Confusion:
        return Confusion(self.classes, self._counts)


class ClassMeasure:
    """Of classifiers: how many of each class are found.

    Args:
        classes: Names by label.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self._counts = np.zeros((len(classes), len(classes)), int)

    def add(self, sample: Any, info: Mapping[str, Any]) -> float:
        """Take a picture; the score of its true class.

        Args:
            sample: mmpretrain's ``DataSample`` with its truth.
            info: Not needed.
        """
        truth = int(sample.gt_label)
        self._counts[truth, int(sample.pred_score.argmax())] += 1
        return float(sample.pred_score[truth])

    def by_class(self) -> ClassTable:
        numbers, found = self._counts.sum(axis=1), self._counts.sum(axis=0)
        hits = np.diag(self._counts)
        recall = hits / np.where(numbers, numbers, np.nan)
        precision = hits / np.where(found, found, np.nan)
        return ClassTable(
            ['pictures', 'recall', 'precision'],
            [
                (
                    name,
                    [float(numbers[k]), float(recall[k]), float(precision[k])],
                )
                for k, name in enumerate(self.classes)
            ],
        )

    def confusion(self) -> Confusion:
        return Confusion(self.classes, self._counts)


Measure = ObjectMeasure | LabelMeasure | ClassMeasure
MEASURES: dict[str, type[Measure]] = {
    'detector': ObjectMeasure,
    'segmentor': LabelMeasure,
    'classifier': ClassMeasure,
}


def true_objects(info: Mapping[str, Any], size: tuple[int, ...]) -> Objects:
    """The objects that mmdet's data sets give for a picture of (H, W)."""
    instances = info['instances']
    boxes = [x['bbox'] for x in instances]
    masks = None
    if instances and all('mask' in x for x in instances):
        masks = [_as_rle(x['mask'], size) for x in instances]
    return Objects(
        np.array(boxes, float).reshape(-1, 4),
        np.array([x['bbox_label'] for x in instances], int),
        np.ones(len(instances)),
        masks,
    )


def _as_rle(shape: Any, size: tuple[int, ...]) -> Rle:
    """COCO's run lengths of any of its forms: polygons, lists or text."""
    if isinstance(shape, list):
        polygons = coco_mask.frPyObjects(shape, size[0], size[1])
        return as_text(coco_mask.merge(polygons))
    if isinstance(shape['counts'], list):
        return as_text(coco_mask.frPyObjects(shape, size[0], size[1]))
    return as_text(shape)


def as_annotations(
    objects: Objects, image: int, first: int, masks: bool
) -> list[dict]:
    """Entries of a COCO file, numbered after ``first`` others."""
    entries = []
    for index, (x1, y1, x2, y2) in enumerate(objects.boxes.tolist()):
        entry = dict(
            id=first + index + 1,
            image_id=image,
            category_id=int(objects.labels[index]),
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            iscrowd=0,
            score=float(objects.scores[index]),
        )
        if masks and objects.masks is not None:
            entry['segmentation'] = objects.masks[index]
        entries.append(entry)
    return entries


def confusion_of(
    found: Objects, truth: Objects, classes: Sequence[str]
) -> np.ndarray:
    """Counts (K + 1, K + 1) of a picture, by boxes at IoU 0.5.

    The last row is what was found where nothing is, the last column what was
    missed.
    """
    import supervision as sv

    sides = [
        sv.Detections(
            xyxy=x.boxes.astype(np.float32),
            confidence=x.scores.astype(np.float32),
            class_id=x.labels.astype(int),
        )
        for x in (found, truth)
    ]
    matrix = sv.ConfusionMatrix.from_detections(
        [sides[0]],
        [sides[1]],
        list(classes),
        conf_threshold=0.0,
        iou_threshold=SAME_IOU,
    ).matrix
    return matrix.astype(int)


def _iou(counts: np.ndarray) -> np.ndarray:
    """(K,), nan for a class that is neither true nor found."""
    both = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    shares: np.ndarray = np.diag(counts) / np.where(both, both, np.nan)
    return shares
