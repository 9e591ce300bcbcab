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
    ],
)
def test_a_wrong_line_is_named(yolo: Path, line: str, said: str) -> None:
    (yolo / 'train' / 'labels' / 'b.txt').write_text(f'\n{line}\n')
    with pytest.raises(DataError, match=rf'b\.txt, line 2.*{said}'):
        to_coco('yolo', yolo)


def test_boxes_of_voc(tmp_path: Path) -> None:
    picture(tmp_path / 'JPEGImages' / '1.jpg')
    folder = tmp_path / 'Annotations'
    folder.mkdir()
    (folder / '1.xml').write_text(
        '<annotation><filename>1.jpg</filename><object><name>cell</name>'
        '<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>30</ymax>'
        '</bndbox></object></annotation>'
    )
    content, _ = to_coco('voc', tmp_path)
    assert content['annotations'][0]['bbox'] == [0, 10, 20, 20]
    assert content['categories'] == [dict(id=1, name='cell')]
    (folder / '2.xml').write_text('<annotation>')
    with pytest.raises(DataError, match=r'2\.xml'):
        to_coco('voc', tmp_path)


def test_polygons_of_labelme(tmp_path: Path) -> None:
    picture(tmp_path / '1.png')
    shape = dict(label='leaf', points=[[10, 10], [30, 10], [30, 30]])
    content = dict(imagePath='1.png', shapes=[shape])
    (tmp_path / '1.json').write_text(json.dumps(content))
    found, _ = to_coco('labelme', tmp_path)
    assert found['annotations'][0]['bbox'] == [10, 10, 20, 20]
    shape['shape_type'] = 'circle'
    (tmp_path / '1.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match='a circle of 3 points'):
        to_coco('labelme', tmp_path)


def test_the_commands_convert_and_split(
    yolo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
