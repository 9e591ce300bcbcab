"""Copies of a sound DigitScenes, each broken in one way, and what is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convmae_mm.data_check import Examiner, Report, check_data
from convmae_mm.datasets.digit_scenes import generate_digit_scenes

INSTANCES = 'annotations/instances_train.json'
SCENE = 'images/train/000001.jpg'
MAP = 'label_maps/train/000001.png'


def check(root: Path) -> Report:
    return check_data(root, examiner=Examiner(progress=False))


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('sound') / 'scenes'
    generate_digit_scenes(
        root,
        train=2,
        val=1,
        size=(48, 64),
        crop_size=16,
        crops_per_scene=10,
        progress=False,
    )
    return root


@pytest.fixture
def scenes(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / 'scenes'))


def edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """A breakage of the annotation file's content."""

    def apply(root: Path) -> None:
        file = root / INSTANCES
        data = json.loads(file.read_text())
        change(data)
        file.write_text(json.dumps(data))

    return apply


def set_annotation(**values: Any) -> Callable[[Path], None]:
    return edit(lambda data: data['annotations'][0].update(values))


def write_label(value: int) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        labels = np.array(Image.open(root / MAP))
        labels[0, 0] = value
        Image.fromarray(labels).save(root / MAP)

    return apply


def truncate(name: str, keep: float) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: int(len(content) * keep)])

    return apply


def resize(name: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        image = Image.open(root / name)
        image.resize((32, 32), Image.Resampling.NEAREST).save(root / name)

    return apply


def swap_ids(data: dict[str, Any]) -> None:
    data['categories'][3]['id'], data['categories'][4]['id'] = 5, 4


# What is broken: how, the fault that must be named, and words it must have.
BREAKAGES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    'annotation file gone': (
        lambda root: (root / INSTANCES).unlink(),
        'annotation-file-missing',
        'instances_train.json',
    ),
    'json truncated': (
        truncate(INSTANCES, 0.6),
        'json-truncated',
        'breaks off after',
    ),
    'json invalid': (
        lambda root: (root / INSTANCES).write_text('{"images": [1,, 2]}'),
        'json-invalid',
        'line 1, column 15',
    ),
    'json of something else': (
        lambda root: (root / INSTANCES).write_text('[1]'),
        'not-coco',
        'it holds list',
    ),
    'picture gone': (
        lambda root: (root / SCENE).unlink(),
        'image-count',
        '1 pictures in',
    ),
    'listed picture gone': (
        lambda root: (root / SCENE).rename(root / SCENE.replace('1', '7')),
        'image-missing',
        '000001.jpg',
    ),
    'picture renamed': (
        lambda root: (root / SCENE).rename((root / SCENE).with_suffix('.JPG')),
        'image-missing',
        'seems to be there as 000001.JPG',
    ),
    'picture empty': (
        truncate(SCENE, 0),
        'image-undecodable',
        '000001.jpg',
    ),
    'picture cut off': (
        truncate(SCENE, 0.5),
        'image-undecodable',
        '000001.jpg',
    ),
    'picture resized': (
        resize(SCENE),
        'image-size',
        '32 x 32, annotations: 64 x 48',
    ),
    'picture unlisted': (
        edit(lambda data: data['images'].pop()),
        'image-unlisted',
        '000002.jpg',
    ),
    'image records too few': (
        edit(lambda data: data['images'].pop()),
        'record-count',
        '1 images in',
    ),
    'annotations too few': (
        edit(lambda data: data['annotations'].pop()),
        'record-count',
        'annotations in',
    ),
    'category ids swapped': (
        edit(swap_ids),
        'category-id',
        'three has id 5 instead of 4',
    ),
    'category renamed': (
        edit(lambda data: data['categories'][3].update(name='Three')),
        'category-missing',
        'three',
    ),
    'category id of no category': (
        set_annotation(category_id=77),
        'category-unknown',
        'category_id 77',
    ),
    'image id of no image': (
        set_annotation(image_id=99),
        'annotation-without-image',
        'image_id 99',
    ),
    'annotation id twice': (
        edit(lambda data: data['annotations'][1].update(id=1)),
        'id-duplicate',
        'annotations id 1',
    ),
    'image id twice': (
        edit(lambda data: data['images'][1].update(id=1)),
        'id-duplicate',
        'images id 1',
    ),
    'file name twice': (
        edit(lambda data: data['images'][1].update(file_name='000001.jpg')),
        'file-name-duplicate',
        '000001.jpg',
    ),
    'image of no size': (
        edit(lambda data: data['images'][0].update(width=0, height=0)),
        'image-size-stated',
        '0 x 0',
    ),
    'annotation id zero': (
        set_annotation(id=0),
        'annotation-id-zero',
        'pycocotools',
    ),
    'field missing': (
        edit(lambda data: data['annotations'][0].pop('image_id')),
        'field-missing',
        'lacks image_id',
    ),
    'field of a wrong type': (
        set_annotation(image_id=[1]),
        'field-missing',
        'has image_id=[1]',
    ),
    'box outside': (
        set_annotation(bbox=[60, 40, 20, 20]),
        'box-outside',
        '[60, 40, 20, 20] in 64 x 48',
    ),
    'box empty': (
        set_annotation(bbox=[5, 5, 0, 9]),
        'box-empty',
        '[5, 5, 0, 9]',
    ),
    'box malformed': (
        set_annotation(bbox=[5, 5, -3, 9]),
        'box-malformed',
        '[5, 5, -3, 9]',
    ),
    'mask missing': (
        set_annotation(segmentation=[]),
        'mask-missing',
        '--boxes-only',
    ),
    'mask malformed': (
        set_annotation(segmentation=[[1, 2, 3]]),
        'mask-malformed',
        'a polygon of 3 numbers',
    ),
    'mask outside': (
        set_annotation(segmentation=[[40, 10, 70, 10, 70, 20]]),
        'mask-outside',
        'x 40 to 70, y 10 to 20 in 64 x 48',
    ),
    'mask of another size': (
        set_annotation(segmentation=dict(size=[64, 48], counts='a')),
        'mask-malformed',
        'size [64, 48] instead of [48, 64]',
    ),
    'all crowds': (
        edit(lambda data: [x.update(iscrowd=1) for x in data['annotations']]),
        'crowd-majority',
        'neither trained nor counted',
    ),
    'crowd flag': (set_annotation(iscrowd=2), 'crowd-flag', 'iscrowd 2'),
    'no annotations': (
        edit(lambda data: data['annotations'].clear()),
        'no-annotations',
        'without a single annotation',
    ),
    'label out of range': (
        write_label(12),
        'label-map-value',
        '000001.png (labels [12])',
    ),
    'label map gone': (
        lambda root: (root / MAP).unlink(),
        'label-map-missing',
        '000001.jpg',
    ),
    'label map of no picture': (
        lambda root: shutil.copy(root / MAP, root / MAP.replace('1', '9')),
        'label-map-unmatched',
        '000009.png',
    ),
    'label map resized': (
        resize(MAP),
        'label-map-size',
        '32 x 32, picture: 64 x 48',
    ),
    'label map in colour': (
        lambda root: Image.new('RGB', (64, 48)).save(root / MAP),
        'label-map-unreadable',
        '3 channels (mode RGB)',
    ),
    'label map damaged': (
        truncate(MAP, 0.3),
        'label-map-unreadable',
        '000001.png',
    ),
    'nothing labelled': (
        lambda root: [
            Image.new('L', (64, 48)).save(root / f'label_maps/val/{i:06}.png')
            for i in (1,)
        ],
        'label-map-empty',
        'all are [0]',
    ),
    'class folder gone': (
        lambda root: shutil.rmtree(root / 'classification/val/two'),
        'class-names',
        "['two'] missing",
    ),
    'class folder empty': (
        lambda root: [
            x.unlink() for x in (root / 'classification/train/two').iterdir()
        ],
        'class-empty',
        'two',
    ),
    'class folder too many': (
        lambda root: (root / 'classification/train/eleven').mkdir(),
        'class-count',
        '11 class folders instead of 10',
    ),
    'pictures not sorted': (
        lambda root: [
            x.rename(root / 'classification/val' / x.name)
            for x in list((root / 'classification/val').rglob('*.jpg'))
        ],
        'not-sorted',
        'the folder of their class',
    ),
    'folder misplaced': (
        lambda root: (root / 'label_maps/train').rename(
            root / 'label_maps/val/train'
        ),
        'label-map-folder-missing',
        'label_maps/train does not exist',
    ),
    'folder packed': (
        lambda root: [
            shutil.rmtree(root / 'images/train'),
            (root / 'images/train.zip').touch(),
        ],
        'image-folder-missing',
        'unpack',
    ),
    'generator interrupted': (
        lambda root: (root / 'digit_scenes.json').unlink(),
        'digit-scenes-unfinished',
        'convmae-mm digit-scenes --out',
    ),
}


def test_a_sound_data_set_has_no_error(sound):
    report = check(sound)
    assert report.layout == 'digit-scenes'
    assert [x.code for x in report.faults if x.severity == 'error'] == []
    # Everything was looked at, and the report says so.
    assert {x.part.split()[0] for x in report.examined} == {'train', 'val'}
    assert all(x.done == x.total > 0 for x in report.examined)
    assert report.facts['train instances']['images'] == 2


@pytest.mark.parametrize('name', BREAKAGES)
def test_each_fault_is_named(name, sound, scenes):
    before = {(x.code, x.part) for x in check(sound).faults}
    break_it, code, words = BREAKAGES[name]
    break_it(scenes)
    faults = [
        x for x in check(scenes).faults if (x.code, x.part) not in before
    ]
    assert code in [x.code for x in faults]
    told = [
        ' '.join((x.problem, x.remedy, *x.examples))
        for x in faults
        if x.code == code
    ]
    assert any(words in text for text in told), told
    assert all(x.count >= 1 and x.remedy for x in faults)
    assert not any('{count}' in text for text in told)


def test_many_of_a_kind_are_counted_and_the_first_named(scenes):
    for index in range(20):
        Image.new('RGB', (8, 8)).save(scenes / f'images/train/x{index:02}.png')
    fault = next(x for x in check(scenes).faults if x.code == 'image-unlisted')
    assert fault.count == 20
    assert fault.examples == tuple(f'x{i:02}.png' for i in range(5))
    assert fault.problem.startswith('20 of 22 pictures')


def test_a_misplaced_file_is_found(scenes):
    file = scenes / INSTANCES
    (scenes / 'annotations' / 'annotations').mkdir()
    file.rename(scenes / 'annotations' / 'annotations' / file.name)
    fault = check(scenes).faults[0]
    assert fault.code == 'annotation-file-missing'
    assert 'annotations/annotations/instances_train.json' in fault.remedy


def test_the_sample_is_fixed_by_the_seed_and_named(scenes):
    for index in range(10):
        Image.new('RGB', (8, 8)).save(scenes / f'images/train/x{index}.png')
    some = Examiner(sample=3, seed=1, progress=False)
    assert some.choose(range(100)) == some.choose(range(100))
    assert some.choose(range(100)) != Examiner(3, seed=2).choose(range(100))
    assert some.choose(range(3)) == [0, 1, 2]
    report = check_data(scenes, examiner=some)
    seen = {x.part: x for x in report.examined if 'decoded' in x.what}
    assert seen['train label maps'].done == 3
    assert seen['train label maps'].total == 12


def test_settings_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match='sample=0'):
        Examiner(sample=0)
    with pytest.raises(ValueError, match='workers=0'):
        Examiner(workers=0)
    with pytest.raises(ValueError, match="layout='voc'"):
        check_data(tmp_path, 'voc')
    with pytest.raises(FileNotFoundError, match='nowhere'):
        check_data(tmp_path / 'nowhere')
