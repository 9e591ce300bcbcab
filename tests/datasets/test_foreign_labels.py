"""Labels of other tools become a COCO file, or an error names the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.datasets.foreign_labels import to_coco
from convmae_mm.errors import DataError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (100, 50)).save(path)


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """As Roboflow exports it."""
    for name in ('a', 'b'):
        picture(tmp_path / 'train' / 'images' / f'{name}.jpg')
    picture(tmp_path / 'valid' / 'images' / 'c.jpg')
    labels = tmp_path / 'train' / 'labels'
    labels.mkdir()
    (labels / 'a.txt').write_text(
        '1 0.5 0.5 0.2 0.4\n0 0.1 0.2 0.3 0.2 0.3 0.6\n'
    )
    (tmp_path / 'data.yaml').write_text(
        'train: ../train/images\nval: ../valid/images\nnames: [cat, dog]\n'
    )
    return tmp_path


def test_boxes_and_polygons_of_yolo(yolo: Path) -> None:
    content, images = to_coco('yolo', yolo / 'data.yaml', 'train')
    assert images == yolo / 'train' / 'images'
    # a picture without a label file has nothing on it, and is kept
    assert [x['file_name'] for x in content['images']] == ['a.jpg', 'b.jpg']
    box, outline = content['annotations']
    assert box['bbox'] == pytest.approx([40, 15, 20, 20])
    assert box['category_id'] == 2
    assert outline['bbox'] == pytest.approx([10, 10, 20, 20])
    assert outline['area'] == pytest.approx(200)
    assert outline['segmentation'][0] == pytest.approx(
        [10, 10, 30, 10, 30, 30]
    )
    assert len(to_coco('yolo', yolo)[0]['images']) == 3


@pytest.mark.parametrize('beside', ['', './train/', 'train/'])
def test_a_list_of_pictures_of_yolo(yolo: Path, beside: str) -> None:
    """As ultralytics takes it, relative to the list or to ``path``."""
    inside = beside == ''
    text = yolo / 'train/list.txt' if inside else yolo / 'list.txt'
    text.write_text(f'{beside}images/a.jpg\n\n')
    (yolo / 'data.yaml').write_text(
        f'path: .\ntrain: {text.relative_to(yolo)}\nnames: [cat, dog]\n'
    )
    content, _ = to_coco('yolo', yolo)
    assert len(content['images']) == 1
    assert len(content['annotations']) == 2
    text.write_text('images/nowhere.jpg\n')
    with pytest.raises(FileNotFoundError, match='lists images/nowhere'):
        to_coco('yolo', yolo)


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('7 0.5 0.5 0.2 0.4', 'has class 7, and there are 2'),
        ('0 0.5 0.5 0.2', 'neither a class with x y w h'),
        ('cat 0.5 0.5 0.2 0.4', 'not made of numbers'),
        ('nan 0.5 0.5 0.2 0.4', 'has class nan'),
        ('0 50 25 20 20', 'has 50, .* in pixels by 100, y and height by 50'),
        ('0 0.1 0.1 20 20', 'has 20, and YOLO counts in shares'),
        ('0 10 10 30 10 30 30', 'has 10, and YOLO counts in shares'),
        ('0 0.5 0.5 nan 0.4', 'has nan, and YOLO counts in shares'),
    ],
)
def test_a_wrong_line_is_named(yolo: Path, line: str, said: str) -> None:
    (yolo / 'train' / 'labels' / 'b.txt').write_text(f'\n{line}\n')
    with pytest.raises(DataError, match=rf'b\.txt, line 2.*{said}'):
        to_coco('yolo', yolo)


def test_labels_that_are_elsewhere_are_told(yolo: Path) -> None:
    (yolo / 'train' / 'labels').rename(yolo / 'train' / 'Labels')
    with pytest.raises(DataError, match=r'would be .*train/labels/a\.txt'):
        to_coco('yolo', yolo)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('names: [cat, cat]', "the class 'cat' more than once"),
        ('names: {0: a, 1: b, 2: a}', "the class 'a' more than once"),
        ('nc: 3\nnames: [cat, dog]', 'has nc: 3 and 2 names'),
        ('names: [cat, no]', 'the name False must be in quotes'),
        ("names: [cat, '']", 'has no name'),
        ('names: cat', "names='cat' must be a list"),
        ('names:', 'names=None must be a list'),
        ('names: [cat', 'no data.yaml with names: .*line'),
        ('kpt_shape: [2, 2]\nnames: [cat, dog]', 'is of keypoints'),
    ],
)
def test_names_of_yolo_that_number_classes_wrongly(
    yolo: Path, text: str, said: str
) -> None:
    (yolo / 'data.yaml').write_text(f'train: train/images\n{text}\n')
    with pytest.raises(DataError, match=said):
        to_coco('yolo', yolo)


def write_voc(
    root: Path,
    name: str = 'cell',
    corners: str = '1 11 20 30',
    size: str = '100 50',
) -> None:
    picture(root / 'JPEGImages' / '1.jpg')
    width, height = size.split()
    box = zip(('xmin', 'ymin', 'xmax', 'ymax'), corners.split(), strict=True)
    (root / 'Annotations').mkdir(exist_ok=True)
    (root / 'Annotations' / '1.xml').write_text(
        '<annotation><filename>1.jpg</filename>'
        f'<size><width>{width}</width><height>{height}</height></size>'
        f'<object><name>{name}</name><bndbox>'
        f'{"".join(f"<{k}>{v}</{k}>" for k, v in box)}'
        '</bndbox></object></annotation>'
    )


def test_boxes_of_voc(tmp_path: Path) -> None:
    write_voc(tmp_path, size='0 0')  # as some tools write it
    content, _ = to_coco('voc', tmp_path)
    assert content['annotations'][0]['bbox'] == [0, 10, 20, 20]
    assert content['categories'] == [dict(id=1, name='cell')]
    (tmp_path / 'Annotations' / '2.xml').write_text('<annotation>')
    with pytest.raises(DataError, match=r'2\.xml'):
        to_coco('voc', tmp_path)


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        ({'name': ' '}, 'object 1.*the class has no name'),
        ({'corners': '20 11 1 30'}, 'object 1.*the first corner'),
        ({'corners': '1 30 20 11'}, 'object 1.*the first corner'),
        ({'corners': '1 nan 20 11'}, 'object 1.*the first corner'),
        ({'corners': '1 11 x 30'}, "object 1: xmax='x' is no number"),
        ({'corners': '11 61 20 70'}, 'object 1.*outside the picture of 100'),
        (
            {'size': '50 100'},
            r'1\.jpg is 100 x 50 px, .* labelled as 50 x 100, .* in the EXIF',
        ),
    ],
    ids=str,
)
def test_what_voc_places_wrongly(
    tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    write_voc(tmp_path, **wrong)
    with pytest.raises(DataError, match=said):
        to_coco('voc', tmp_path)


def write_labelme(root: Path, shape: dict, **content: object) -> None:
    picture(root / '1.png')
    shape = dict(label='leaf', points=[[10, 10], [30, 10], [30, 30]]) | shape
    content = dict(imagePath='1.png', shapes=[shape]) | content
    (root / '1.json').write_text(json.dumps(content))


def test_polygons_of_labelme(tmp_path: Path) -> None:
    write_labelme(tmp_path, {}, imageWidth=100, imageHeight=50)
    found, _ = to_coco('labelme', tmp_path)
    assert found['annotations'][0]['bbox'] == [10, 10, 20, 20]


@pytest.mark.parametrize(
    ('shape', 'content', 'said'),
    [
        ({'shape_type': 'circle'}, {}, 'a circle of 3 points'),
        ({'points': [[1, 2, 3], [4, 5, 6], [7]]}, {}, 'a polygon of 3 points'),
        ({'label': ''}, {}, 'shape 1: .*the class has no name'),
        ({'label': None}, {}, 'shape 1: .*the class has no name'),
        ({'points': [['x', 1]] * 3}, {}, 'no file of labelme'),
        ({'points': [[200, 1]] * 3}, {}, 'shape 1: .*outside the picture'),
        (
            {},
            {'imageWidth': 50, 'imageHeight': 100},
            'is 100 x 50 px, .* labelled as 50 x 100',
        ),
    ],
    ids=str,
)
def test_what_labelme_places_wrongly(
    tmp_path: Path, shape: dict, content: dict, said: str
) -> None:
    write_labelme(tmp_path, shape, **content)
    with pytest.raises(DataError, match=said):
        to_coco('labelme', tmp_path)


def test_what_a_conversion_leaves_out_or_finds_odd_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, command = tmp_path / 'a.json', ['data', 'convert', 'voc']
    write_voc(tmp_path)
    picture(tmp_path / 'JPEGImages' / '2.jpg')
    assert main([*command, str(tmp_path), '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert '1 pictures' in said
    assert 'left out, such as' in said
    out.unlink()
    write_voc(tmp_path, corners='1 11 20 500')
    assert main([*command, str(tmp_path), '--out', str(out)]) == 1
    assert '1 of 1 boxes leave their image' in capsys.readouterr().err
    assert not out.exists()


def test_the_commands_convert_and_split(
    yolo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (yolo / 'valid' / 'labels').mkdir()
    (yolo / 'valid' / 'labels' / 'c.txt').write_text('1 0.5 0.5 0.2 0.4\n')
    out = yolo / 'labels.json'
    command = ['data', 'convert', 'yolo', str(yolo), '--out', str(out)]
    assert main(command) == 0
    assert f'--coco {out} --images {yolo}' in capsys.readouterr().out
    assert main(['data', 'split', str(out)]) == 0
    parts = [
        json.loads((yolo / f'labels_{x}.json').read_text())['images']
        for x in ('train', 'val')
    ]
    names = sorted(x['file_name'] for part in parts for x in part)
    assert len(names) == len(set(names)) == 3
    assert all(parts)
