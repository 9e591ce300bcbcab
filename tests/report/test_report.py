"""The report on a training says what a test of it says, and shows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from convmae_mm import apis
from convmae_mm.cli import main
from convmae_mm.predict.objects import Objects
from convmae_mm.report.measures import (
    ClassMeasure,
    LabelMeasure,
    ObjectMeasure,
    confusion_of,
)

pytestmark = pytest.mark.slow

Trained = Callable[[str], Path]


@pytest.mark.parametrize(
    ('kind', 'told'),
    [
        ('masks', ['box AP', 'mask AP', 'nine', 'Found']),
        ('boxes', ['box AP', 'nine']),
        ('segmentor', ['mean IoU', 'recall', 'background', 'Found']),
        ('classifier', ['accuracy', 'precision', 'nine']),
        ('pretraining', ['Reconstructed', 'Visible patches pasted in']),
    ],
)
def test_a_page_for_each_task(
    kind: str, told: list[str], trained: Trained, tmp_path: Path
) -> None:
    assert main(['report', str(trained(kind)), '--out', str(tmp_path)]) == 0
    page = (tmp_path / 'report.html').read_text()
    text = (tmp_path / 'report.md').read_text()
    for words in told:
        assert words in page
        assert words in text
    # nothing is looked up elsewhere
    assert 'src="data:image' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    images = re.findall(r'\]\((report_images/\S+?)\)', text)
    assert len(images) >= 3
    assert all((tmp_path / name).is_file() for name in images)


def test_scores_are_those_of_a_test(trained: Trained, tmp_path: Path) -> None:
    from convmae_mm.report.training import report_on

    folder = trained('segmentor')
    tested = apis.test(
        next(folder.glob('*.py')), folder / 'epoch_1.pth', work_dir=tmp_path
    )
    report = report_on(folder, device='cpu')
    assert report.scores == pytest.approx(tested)
    # the table, computed apart, has the same mean
    shares = [row[1][1] for row in report.table.rows]
    assert np.nanmean(shares) * 100 == pytest.approx(tested['mIoU'], abs=0.01)


def detections(boxes, labels, scores):
    instances = SimpleNamespace(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
        scores=torch.tensor(scores, dtype=torch.float32),
    )

    class Found(SimpleNamespace):
        def __contains__(self, name: str) -> bool:
            return hasattr(self, name)

    found = Found(**vars(instances))
    return SimpleNamespace(pred_instances=found, ori_shape=(100, 100))


def truth(boxes, labels):
    return {
        'instances': [
            dict(bbox=box, bbox_label=label)
            for box, label in zip(boxes, labels, strict=True)
        ]
    }


def test_objects_are_counted_by_class():
    measure = ObjectMeasure(['cat', 'dog', 'never'])
    boxes = [[10.0, 10, 40, 40], [50.0, 50, 90, 90]]
    right = measure.add(
        detections(boxes, [0, 1], [0.9, 0.8]), truth(boxes, [0, 1])
    )
    assert right == 1
    # the first is taken for a dog, the second missed
    half = measure.add(detections(boxes[:1], [1], [0.9]), truth(boxes, [0, 1]))
    assert half == 0
    assert measure.add(detections([], [], []), truth([], [])) == 1
    table = dict(measure.by_class().rows)
    assert table['cat'] == pytest.approx([2, 0.505, 0.505], abs=1e-3)
    assert table['dog'][0] == 2
    assert table['never'][0] == 0
    assert np.isnan(table['never'][1])
    confusion = measure.confusion()
    assert confusion.names[-1] == 'nothing'
    counts = confusion.counts
    assert counts[0, 0] == counts[1, 1] == 1
    assert counts[0, 1] == 1
    assert counts[1, -1] == 1


def test_what_is_found_where_nothing_is():
    found = Objects(np.array([[0.0, 0, 9, 9]]), np.array([0]), np.array([0.9]))
    nothing = Objects(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert confusion_of(found, nothing, ['a'])[-1, 0] == 1
    assert confusion_of(nothing, found, ['a'])[0, -1] == 1
    assert confusion_of(nothing, nothing, ['a']).sum() == 0


def test_labels_and_classes_are_counted():
    labels = LabelMeasure(['sky', 'road'])
    sample = SimpleNamespace(
        gt_sem_seg=SimpleNamespace(data=torch.tensor([[[0, 0, 1, 255]]])),
        pred_sem_seg=SimpleNamespace(data=torch.tensor([[[0, 1, 1, 1]]])),
    )
    assert labels.add(sample, {}) == pytest.approx(0.5)
    assert labels.confusion().counts.tolist() == [[1, 1], [0, 1]]
    classes = ClassMeasure(['a', 'b'])
    sample = SimpleNamespace(
        gt_label=torch.tensor([1]), pred_score=torch.tensor([0.7, 0.3])
    )
    assert classes.add(sample, {}) == pytest.approx(0.3)
    assert dict(classes.by_class().rows)['b'][1] == 0


@pytest.mark.parametrize('with_masks', [True, False])
def test_a_picture_without_objects_among_others(with_masks: bool) -> None:
    """What is found in it counts against the masks of its class too."""
    measure = ObjectMeasure(['cat'])
    box, mask = [10.0, 10, 40, 40], torch.zeros(1, 100, 100, dtype=torch.bool)
    mask[:, 10:40, 10:40] = True
    for boxes in ([], [box]):
        sample = detections([box], [0], [0.9])
        sample.pred_instances.masks = mask
        info = truth(boxes, [0] * len(boxes))
        if with_masks and boxes:
            outline = [[10, 10, 40, 10, 40, 40, 10, 40]]
            info['instances'][0]['mask'] = outline
        measure.add(sample, info)
    table = measure.by_class()
    assert any('mask' in x for x in table.columns) is with_masks


def test_crowds_are_no_objects() -> None:
    measure = ObjectMeasure(['cat', 'dog'])
    boxes = [[10.0, 10, 40, 40], [50.0, 50, 90, 90]]
    info = truth(boxes, [0, 0])
    info['instances'][1]['ignore_flag'] = 1
    assert measure.add(detections(boxes[:1], [0], [0.9]), info) == 1
    counts = {name: numbers[0] for name, numbers in measure.by_class().rows}
    assert counts == {'cat': 1, 'dog': 0}


def test_labels_that_the_data_set_ignores_do_not_count() -> None:
    measure = LabelMeasure(['none', 'a', 'b'])
    measure.ignored = 0
    labels = torch.tensor([[[0, 0, 1, 2]]])
    found = torch.tensor([[[1, 2, 1, 2]]])
    sample = SimpleNamespace(
        gt_sem_seg=SimpleNamespace(data=labels),
        pred_sem_seg=SimpleNamespace(data=found),
    )
    assert measure.add(sample, {}) == 1
