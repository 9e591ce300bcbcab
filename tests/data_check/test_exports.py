"""Exports of other tools are recognised, and so is what reads them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from own_sets import coco_content, write_class_folders, write_pictures

from convmae_mm.cli import main
from convmae_mm.data_check.exports import how_to_read

XML = """<annotation><filename>0.png</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>cat</name><bndbox><xmin>17</xmin><ymin>13</ymin>
<xmax>48</xmax><ymax>36</ymax></bndbox></object></annotation>
"""
SHAPE = dict(label='cat', shape_type='rectangle', points=[[16, 12], [48, 36]])


def write_yolo(root: Path) -> None:
    """As Ultralytics has it, and Roboflow with the other nesting."""
    write_pictures(root / 'train' / 'images', 2)
    (root / 'train' / 'labels').mkdir()
    for name in ('0', '1'):
        file = root / 'train' / 'labels' / f'{name}.txt'
        file.write_text('0 0.5 0.5 0.5 0.5\n')
    (root / 'data.yaml').write_text(
        'train: train/images\nval: train/images\nnc: 1\nnames: [cat]\n'
    )


def write_voc(root: Path) -> None:
    write_pictures(root / 'JPEGImages', 1)
    (root / 'Annotations').mkdir()
    (root / 'Annotations' / '0.xml').write_text(XML)


def write_roboflow_voc(root: Path) -> None:
    write_pictures(root / 'train', 1)
    (root / 'train' / '0.xml').write_text(XML)


def write_labelme(root: Path) -> None:
    write_pictures(root, 1)
    content = dict(shapes=[SHAPE], imagePath='0.png')
    (root / '0.json').write_text(json.dumps(content))


KINDS = {
    'yolo': write_yolo,
    'voc': write_voc,
    'roboflow voc': write_roboflow_voc,
    'labelme': write_labelme,
}


@pytest.mark.parametrize('kind', KINDS)
def test_every_command_names_the_one_that_converts(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root, out = tmp_path / 'my set', tmp_path / 'labels.json'
    cfg = tmp_path / 'detector.py'
    root.mkdir()
    KINDS[kind](root)
    commands = [
        ['data', 'check', root],
        ['run', '--coco', root, '--images', root],
        ['new', 'detector', '--coco', root, '--images', root, '--out', cfg],
        ['run', '--folders', root],
    ]
    said = set()
    for command in commands:
        assert main([str(word) for word in command]) != 0
        printed = capsys.readouterr()
        lines = [x for x in printed.err.splitlines() if 'data convert' in x]
        assert len(lines) == 1, printed
        said.add(lines[0].partition(': ')[2])
    advice = said.pop()
    assert not said, 'all say the same'
    start = advice.index('convmae-mm data convert')
    words = shlex.split(advice[start : advice.index(' makes a COCO')])
    # what is advised works
    assert main([*words[1:], '--out', str(out)]) == 0
    content = json.loads(out.read_text('utf-8'))
    assert [x['name'] for x in content['categories']] == ['cat']
    assert content['annotations'][0]['bbox'] == [16, 12, 32, 24]


def test_labelme_beside_a_coco_file(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Such as one that was converted before."""
    write_labelme(tmp_path)
    (tmp_path / '0.json').rename(tmp_path / 'street.json')
    ours = tmp_path / 'labels.json'
    ours.write_text(json.dumps(coco_content()))
    assert 'data convert labelme' in str(how_to_read(tmp_path))
    assert main(['data', 'convert', 'labelme', str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f'{ours} is a COCO file, among those of labelme: move it' in told


def test_roboflow_in_coco_form_needs_no_conversion(tmp_path: Path) -> None:
    for split in ('train', 'valid'):
        write_pictures(tmp_path / split)
        file = tmp_path / split / '_annotations.coco.json'
        file.write_text(json.dumps(coco_content()))
    advice = how_to_read(tmp_path)
    assert advice is not None
    train, valid = tmp_path / 'train', tmp_path / 'valid'
    assert f'--coco {train}/_annotations.coco.json --images {train}' in advice
    assert f'--val-images {valid}' in advice


def test_yolo_without_its_yaml_is_told_what_to_write(tmp_path: Path) -> None:
    (tmp_path / 'labels' / 'train').mkdir(parents=True)
    (tmp_path / 'labels' / 'train' / '0.txt').write_text('0 .5 .5 .5 .5')
    assert 'write one (path, train' in str(how_to_read(tmp_path))


def test_other_folders_are_no_exports(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    (tmp_path / 'classes.yaml').write_text('names: [cat, dog]')
    (tmp_path / 'about.yaml').write_text('names: [a]\npath: somewhere')
    (tmp_path / 'metadata.xml').write_text('<metadata/>')
    (tmp_path / 'labels.json').write_text(json.dumps(coco_content()))
    assert how_to_read(tmp_path) is None
