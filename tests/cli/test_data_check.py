"""The command `convmae-mm data check`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convmae_mm.cli import _data_check, main
from convmae_mm.data_check import LAYOUTS
from convmae_mm.datasets.image_files import endings


@pytest.fixture
def root(tmp_path) -> Path:
    """Two pictures in `my img`, label maps, and one box in a COCO file."""
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / 'my img').mkdir(exist_ok=True)
        Image.new('RGB', (20, 10)).save(tmp_path / 'my img' / name)
    (tmp_path / 'labels').mkdir()
    for name in ('a.png', 'b.png'):
        labels = np.arange(200, dtype=np.uint8).reshape(10, 20) % 3
        Image.fromarray(labels).save(tmp_path / 'labels' / name)
    images = [
        dict(id=i, file_name=name, width=20, height=10)
        for i, name in enumerate(('a.jpg', 'b.jpg'))
    ]
    box = dict(bbox=[1, 1, 5, 5], area=25, iscrowd=0)
    annotations = [dict(id=1, image_id=0, category_id=7, **box)]
    categories = [dict(id=7, name='traffic light')]
    (tmp_path / 'boxes.json').write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )
    return tmp_path


def call(*arguments: str | Path) -> int:
    return main(['data', 'check', *map(str, arguments)])


def told(capsys, *arguments: str | Path) -> dict:
    code = call(*arguments, '--json')
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report['ok'] else 1)
    return report


def codes(report: dict) -> list[str]:
    return [x['code'] for x in report['faults']]


def test_the_choices_are_the_layouts():
    assert _data_check.LAYOUT_NAMES == ('auto', *LAYOUTS)


def test_boxes_of_ones_own(root, capsys):
    options = (root, '--images', 'my img', '--ann-file', 'boxes.json')
    assert codes(told(capsys, *options)) == ['mask-missing']
    assert codes(told(capsys, *options, '--boxes-only')) == []
    report = told(
        capsys, *options, '--boxes-only', '--classes', 'traffic light', 'car'
    )
    assert codes(report) == ['category-missing']
    assert report['faults'][0]['examples'] == ['car']


def test_label_maps_of_ones_own(root, capsys):
    options = (root, '--images', 'my img', '--label-maps', 'labels')
    assert codes(told(capsys, *options)) == []
    assert codes(told(capsys, *options, '--num-classes', 3)) == []
    report = told(capsys, *options, '--num-classes', 2)
    assert codes(report) == ['label-map-value']
    report = told(capsys, *options, '--num-classes', 7)
    assert report['ok']
    assert report['faults'][0]['examples'] == ['3', '4', '5', '6']
    zero = (*options, '--num-classes', 2, '--zero-is-unlabelled')
    assert codes(told(capsys, *zero)) == []


@pytest.mark.parametrize(
    ('picture', 'label'),
    [('', '_mask'), ('_leftImg8bit', '_gtFine_labelIds'), ('_x', '_x_m')],
)
def test_endings_of_label_maps(root, capsys, picture, label):
    for folder, ending in (('my img', picture), ('labels', label)):
        for file in (root / folder).iterdir():
            file.rename(file.with_stem(file.stem + ending))
    options = (root, '--images', 'my img', '--label-maps', 'labels')
    assert codes(told(capsys, *options)) == []
    (root / 'labels' / f'b{label}.png').unlink()
    report = told(capsys, *options)
    assert codes(report) == ['label-map-missing']
    assert report['faults'][0]['examples'] == [f'b{picture}.jpg']


def test_numbers_of_other_pictures_are_no_endings():
    assert endings(['1', '2', '3'], ['10', '20', '30']) == ('', '')
    assert endings(['a_2023_img'], ['a_2024_lab']) == ('_img', '_lab')


def test_labels_from_1_on_are_recognised(root, capsys):
    for file in (root / 'labels').iterdir():
        Image.fromarray(np.array(Image.open(file)) + 1).save(file)
    report = told(
        capsys,
        *(root, '--images', 'my img', '--label-maps', 'labels'),
        *('--num-classes', 3),
    )
    assert codes(report) == ['label-map-value', 'label-map-shift']
    assert '--zero-is-unlabelled' in report['faults'][1]['remedy']


def test_pictures_of_ones_own(root, capsys):
    assert codes(told(capsys, root, '--images', 'my img')) == []
    assert codes(told(capsys, root, '--layout', 'pictures')) == []
    (root / 'my img' / 'a.jpg').write_bytes(b'')
    report = told(capsys, root, '--layout', 'pictures', '--full')
    assert codes(report) == ['image-undecodable']


@pytest.mark.parametrize('splits', [('',), ('train', 'val')])
def test_class_folders_are_recognised(splits, tmp_path, capsys):
    for place in (tmp_path / x / y for x in splits for y in ('cat', 'dog')):
        place.mkdir(parents=True)
        Image.new('RGB', (20, 10)).save(place / '1.jpg')
    report = told(capsys, tmp_path)
    assert (report['layout'], codes(report)) == ('class-folders', [])
    # folders of pictures that are called like other things are not taken
    for place in tmp_path.rglob('dog'):
        place.rename(place.with_name('dog masks'))
    assert call(tmp_path) == 1
    assert 'class-folders' in capsys.readouterr().err


def test_the_report_for_people_has_everything(root, capsys):
    (root / 'my img' / 'a.jpg').unlink()
    options = (root, '--images', 'my img', '--label-maps', 'labels')
    assert call(*options, '--sample', '1') == 0  # a warning is no error
    printed = capsys.readouterr().out
    assert 'my img: 1 of 2 label maps read (--full: all)' in printed
    assert 'warning label-map-unmatched [my img] 1 of 2 label' in printed
    assert '    a.png' in printed
    assert '  mend: add the pictures' in printed
    assert '0 errors, 1 warnings' in printed


def test_nothing_wrong_says_so(root, capsys):
    assert call(root, '--images', 'my img') == 0
    captured = capsys.readouterr()
    assert 'Nothing is wrong.' in captured.out
    assert 'my img: pictures' in captured.err  # the progress


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--ann-file', 'boxes.json'], '--ann-file needs --images'),
        (['--num-classes', '3'], '--num-classes needs --label-maps'),
        (['--classes', 'cat'], '--classes needs --ann-file'),
        (
            [
                *('--images', 'my img', '--ann-file', 'boxes.json'),
                *('--label-maps', 'labels'),
            ],
            'exclude each other',
        ),
        (['--images', 'my img', '--layout', 'coco'], 'exclude each other'),
        ([], 'Name the layout with --layout'),
        (['--layout', 'pictures', '--sample', '0'], 'sample=0'),
    ],
)
def test_options_that_cannot_act_are_refused(root, options, message, capsys):
    assert call(root, *options) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('convmae-mm data check: ')
    assert message in printed


def test_a_missing_data_set_is_named(tmp_path, capsys):
    assert call(tmp_path / 'none', '--layout', 'coco') == 1
    assert 'none does not exist' in capsys.readouterr().err
