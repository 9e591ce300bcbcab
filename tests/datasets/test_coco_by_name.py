"""Labels mean what the config's classes say, in whatever order a file is."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convmae_mm.datasets.coco_by_name import complete, read_coco_by_name
from convmae_mm.errors import DataError

IDS = {'cat': 3, 'dog': 7, 'owl': 5}
CLASSES = ('dog', 'cat', 'owl')
ORDERS = list(itertools.permutations(IDS))


def write(path: Path, order: tuple[str, ...], **less: Any) -> Path:
    """Six pictures; the object in picture i is of class i modulo 3."""
    images = [
        dict(id=i, file_name=f'{i}.jpg', width=40, height=30)
        for i in range(1, 7)
    ]
    annotations = [
        dict(
            id=i,
            image_id=i,
            category_id=IDS[CLASSES[i % 3]],
            bbox=[2, 3, 20, 10],
            area=200,
            iscrowd=0,
            segmentation=[[2, 3, 22, 3, 22, 13, 2, 13]],
        )
        for i in range(1, 7)
    ]
    for name in less.get('without', ()):
        for record in images if name in images[0] else annotations:
            del record[name]
    categories = [dict(id=IDS[name], name=name) for name in order]
    path.write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )
    return path


def dataset(file: Path, classes: tuple[str, ...] = CLASSES) -> Any:
    from mmdet.datasets import CocoDataset

    return CocoDataset(
        ann_file=str(file),
        data_prefix=dict(img=''),
        metainfo=dict(classes=classes),
    )


@pytest.fixture(autouse=True, scope='module')
def by_name():
    read_coco_by_name()
    read_coco_by_name()  # a second time changes nothing


@pytest.mark.parametrize('order', ORDERS)
def test_label_i_is_class_i_in_any_order(order, tmp_path):
    data = dataset(write(tmp_path / 'a.json', order))
    for index in range(6):
        info = data.get_data_info(index)
        assert info['instances'][0]['bbox_label'] == info['img_id'] % 3


@pytest.mark.parametrize('order', ORDERS)
def test_scores_by_class_have_the_right_names(order, tmp_path):
    """Only dogs are found: dog scores 1, the others 0."""
    from mmdet.evaluation import CocoMetric

    file = write(tmp_path / 'a.json', order)
    metric = CocoMetric(str(file), 'bbox', classwise=True)
    metric.dataset_meta = dict(classes=CLASSES)
    for image in range(1, 7):
        found = torch.tensor([[2.0, 3.0, 22.0, 13.0]])
        dog = CLASSES[image % 3] == 'dog'
        prediction = dict(
            bboxes=found if dog else found[:0],
            scores=torch.ones(int(dog)),
            labels=torch.zeros(int(dog), dtype=torch.long),
        )
        sample = dict(
            img_id=image, ori_shape=(30, 40), pred_instances=prediction
        )
        metric.process({}, [sample])
    scores = metric.evaluate(6)
    assert [scores[f'coco/{name}_precision'] for name in CLASSES] == [1, 0, 0]


def test_an_unknown_class_is_refused(tmp_path):
    file = write(tmp_path / 'a.json', ORDERS[0])
    with pytest.raises(DataError, match=r"\['Dog'\] .* has \['cat', 'dog'"):
        dataset(file, ('cat', 'Dog'))


def test_some_classes_of_a_file_keep_their_numbers(tmp_path):
    data = dataset(write(tmp_path / 'a.json', ORDERS[0]), ('owl', 'cat'))
    assert data.cat2label == {IDS['owl']: 0, IDS['cat']: 1}


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index in range(1, 7):
        Image.new('RGB', (40, 30)).save(f'{index}.jpg')


@pytest.mark.parametrize('field', ['area', 'iscrowd', 'bbox', 'width'])
def test_what_a_mask_or_a_picture_tells_is_computed(field, pictures, tmp_path):
    whole = dataset(write(tmp_path / 'a.json', ORDERS[0]))
    less = dataset(write(tmp_path / 'b.json', ORDERS[0], without=[field]))
    for index in range(6):
        assert less.get_data_info(index) == whole.get_data_info(index)


def test_masks_are_scored_in_images_without_sizes(tmp_path):
    """COCO's evaluation draws outlines in images of the stated size."""
    from mmdet.evaluation import CocoMetric

    sides = ['width', 'height']
    file = write(tmp_path / 'a.json', ORDERS[0], without=sides)
    metric = CocoMetric(str(file), 'segm')
    metric.dataset_meta = dict(classes=CLASSES)
    for image in range(1, 7):
        mask = torch.zeros(1, 30, 40, dtype=torch.bool)
        mask[:, 3:13, 2:22] = True
        prediction = dict(
            bboxes=torch.tensor([[2.0, 3.0, 22.0, 13.0]]),
            scores=torch.ones(1),
            labels=torch.tensor([image % 3]),
            masks=mask,
        )
        sample = dict(
            img_id=image, ori_shape=(30, 40), pred_instances=prediction
        )
        metric.process({}, [sample])
    assert metric.evaluate(6)['coco/segm_mAP'] == 1


def test_an_image_without_a_size_or_a_picture_is_named(tmp_path):
    file = write(tmp_path / 'a.json', ORDERS[0], without=['width'])
    with pytest.raises(DataError, match=r"'1.jpg' of .*a.json lacks width,"):
        dataset(file)


def test_areas_and_boxes_of_masks():
    triangle = dict(segmentation=[[0, 0, 10, 0, 0, 4]])
    complete(triangle)
    assert triangle['area'] == 20
    assert triangle['bbox'] == [0, 0, 10, 4]
    # a column of 3 pixels in a picture of 4 x 5, by columns
    runs = dict(segmentation=dict(size=[4, 5], counts=[5, 3, 12]))
    complete(runs)
    assert (runs['area'], runs['bbox'], runs['iscrowd']) == (
        3,
        [1, 1, 1, 3],
        0,
    )
    box = dict(bbox=[1, 1, 3, 4])
    complete(box)
    assert np.isclose(box['area'], 12)
