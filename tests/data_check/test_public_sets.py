"""COCO, ADE20K and ImageNet: small stand-ins, and the real counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from checked_configs import SIZE, picture
from PIL import Image

from convmae_mm.data_check import (
    ClassFolders,
    Examiner,
    Report,
    check_data,
    public_sets,
    recognise,
)
from convmae_mm.data_check.pictures import check_turned
from convmae_mm.data_check.report import Notes
from convmae_mm.datasets.load_rgb_image import read_rgb

QUIET = Examiner(progress=False)


def make_coco(root: Path) -> None:
    """One picture a split, each with all 80 classes."""
    from mmdet.datasets import CocoDataset

    for split in public_sets.COCO_COUNTS:
        picture(root / split / '000000000139.jpg')
        image = dict(id=139, file_name='000000000139.jpg', width=48, height=32)
        names = CocoDataset.METAINFO['classes']
        pairs = zip(public_sets.COCO_IDS, names, strict=True)
        categories = [dict(id=i, name=name) for i, name in pairs]
        annotations = [
            dict(
                id=category['id'],
                image_id=139,
                category_id=category['id'],
                bbox=[1, 1, 8, 8],
                area=64.0,
                iscrowd=0,
                segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]],
            )
            for category in categories
        ]
        file = root / 'annotations' / f'instances_{split}.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            json.dumps(
                dict(
                    images=[image],
                    annotations=annotations,
                    categories=categories,
                )
            )
        )


def make_ade20k(root: Path) -> None:
    for split in public_sets.ADE20K_COUNTS:
        picture(root / 'images' / split / 'ADE_1.jpg')
        labels = np.resize(np.arange(151, dtype=np.uint8), (32, 48))
        file = root / 'annotations' / split / 'ADE_1.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(file)


def make_imagenet(root: Path) -> None:
    for split in public_sets.IMAGENET_COUNTS:
        for index in range(3):
            picture(root / split / f'n0000000{index}' / 'x.JPEG')


MAKE = dict(coco=make_coco, ade20k=make_ade20k, imagenet=make_imagenet)


@pytest.fixture(params=MAKE)
def layout(request, tmp_path) -> tuple[str, Path]:
    MAKE[request.param](tmp_path)
    return request.param, tmp_path


def codes(root: Path) -> list[str]:
    return [x.code for x in check_data(root, examiner=QUIET).faults]


def test_the_published_facts_are_what_the_libraries_have():
    from mmseg.datasets import ADE20KDataset

    assert len(public_sets.COCO_IDS) == 80
    assert public_sets.COCO_IDS[-1] == 90
    classes = ADE20KDataset.METAINFO['classes']
    assert len(classes) == public_sets.ADE20K_NUM_CLASSES


def test_a_small_stand_in_is_recognised_and_its_counts_are_off(layout):
    name, root = layout
    assert recognise(root) == name
    report = check_data(root, examiner=QUIET)
    found = {x.code for x in report.faults if x.severity == 'error'}
    counts = {
        'coco': {'image-count', 'record-count'},
        'ade20k': {'image-count', 'label-map-count'},
        'imagenet': {'image-count', 'class-count', 'class-image-count'},
    }
    assert found == counts[name]
    numbers = ' '.join(x.problem for x in report.faults)
    expected = {'coco': '118,287', 'ade20k': '20,210', 'imagenet': '1,281,167'}
    assert expected[name] in numbers


def test_with_the_right_counts_nothing_is_wrong(layout, monkeypatch):
    name, root = layout
    set_counts(monkeypatch)
    assert codes(root) == []


def set_counts(monkeypatch) -> None:
    """As if the public sets were as small as the stand-ins."""
    for split in public_sets.COCO_COUNTS:
        monkeypatch.setitem(public_sets.COCO_COUNTS, split, (1, 80))
    for split in public_sets.ADE20K_COUNTS:
        monkeypatch.setitem(public_sets.ADE20K_COUNTS, split, 1)
    for split in public_sets.IMAGENET_COUNTS:
        monkeypatch.setitem(public_sets.IMAGENET_COUNTS, split, (3, (1, 1)))
    monkeypatch.setattr(public_sets, 'IMAGENET_NUM_CLASSES', 3)


def test_ids_from_1_to_80_are_not_those_of_coco(tmp_path, monkeypatch):
    set_counts(monkeypatch)
    make_coco(tmp_path)
    file = tmp_path / 'annotations' / 'instances_val2017.json'
    data = json.loads(file.read_text())
    new = {x['id']: i for i, x in enumerate(data['categories'], 1)}
    for category in data['categories']:
        category['id'] = new[category['id']]
    for annotation in data['annotations']:
        annotation['category_id'] = new[annotation['category_id']]
    file.write_text(json.dumps(data))
    (fault,) = check_data(tmp_path, examiner=QUIET).faults
    assert (fault.code, fault.part, fault.count) == (
        *('category-id', 'val2017'),
        69,
    )
    assert fault.examples[0] == 'stop sign has id 12 instead of 13'


def test_a_folder_in_a_folder_of_the_same_name_is_found(tmp_path, monkeypatch):
    set_counts(monkeypatch)
    make_coco(tmp_path)
    (tmp_path / 'inside').mkdir()
    (tmp_path / 'train2017').rename(tmp_path / 'inside' / 'train2017')
    (tmp_path / 'inside').rename(tmp_path / 'train2017')
    (fault,) = check_data(tmp_path, examiner=QUIET).faults[:1]
    assert fault.code == 'image-missing'
    assert 'as train2017/000000000139.jpg' in fault.remedy


def test_an_ade20k_label_of_151_is_out_of_range(tmp_path, monkeypatch):
    set_counts(monkeypatch)
    make_ade20k(tmp_path)
    file = tmp_path / 'annotations' / 'validation' / 'ADE_1.png'
    labels = np.array(Image.open(file))
    labels[0, 0] = 151
    Image.fromarray(labels).save(file)
    (fault,) = check_data(tmp_path, examiner=QUIET).faults
    assert (fault.code, fault.part) == ('label-map-value', 'validation')
    assert '0 to 150' in fault.problem


def test_unsorted_imagenet_validation_pictures(tmp_path, monkeypatch):
    set_counts(monkeypatch)
    make_imagenet(tmp_path)
    shutil.rmtree(tmp_path / 'val')
    for index in range(3):
        picture(tmp_path / 'val' / f'ILSVRC2012_val_{index:08}.JPEG')
    (fault,) = check_data(tmp_path, examiner=QUIET).faults
    assert (fault.code, fault.count) == ('not-sorted', 3)


def test_class_archives_that_are_not_unpacked(tmp_path, monkeypatch):
    set_counts(monkeypatch)
    make_imagenet(tmp_path)
    (tmp_path / 'train' / 'n00000009.tar').touch()
    (fault,) = check_data(tmp_path, examiner=QUIET).faults
    assert (fault.code, fault.count) == ('not-unpacked', 1)


def test_what_looks_like_nothing_known_is_told_how_to_say(tmp_path):
    (tmp_path / 'stuff').mkdir()
    with pytest.raises(ValueError, match='holds stuff: Name the layout'):
        recognise(tmp_path)
    make_ade20k(tmp_path / 'stuff')
    with pytest.raises(ValueError, match=r'did you mean \S+stuff\?'):
        recognise(tmp_path)


def test_sizes_are_those_a_training_sees(tmp_path, monkeypatch):
    """OpenCV turns pictures as their EXIF says; boxes must fit that."""
    set_counts(monkeypatch)
    make_coco(tmp_path)
    file = tmp_path / 'train2017' / '000000000139.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new('RGB', SIZE).save(file, exif=exif)
    (fault,) = check_data(tmp_path, examiner=QUIET).faults
    assert fault.code == 'image-size'
    assert '32 x 48, annotations: 48 x 32' in fault.examples[0]


@pytest.mark.parametrize('orientation', [1, 3, 6])
def test_pictures_that_opencv_does_not_turn_are_refused(tmp_path, orientation):
    """Half a turn leaves the size, and every box would be elsewhere."""
    file = tmp_path / '1.webp'
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:8] = 200
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, exif=exif)
    for load, faults in ((None, orientation != 1), (read_rgb, False)):
        report = Report(str(tmp_path), 'own')
        notes = Notes(report, 'train', QUIET)
        check_turned(tmp_path, ['1.webp'], notes, load)
        codes = [x.code for x in report.faults]
        assert codes == ['image-turned'] * faults


def test_other_class_folders_are_checked_by_their_own_counts(tmp_path):
    for name in ('cat', 'dog'):
        picture(tmp_path / name / '1.png')
    report = Report(str(tmp_path), 'own')
    ClassFolders('all', tmp_path, tmp_path, num_classes=3).check(report, QUIET)
    assert [x.code for x in report.faults] == ['class-count']
