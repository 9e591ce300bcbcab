"""COCO files as `new` and `run` read them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from own_sets import coco_content
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.data_check.coco_instances import CocoContent
from convmae_mm.errors import DataError
from convmae_mm.own_data.coco import CocoSet, look_at_coco, split_coco


def test_sizes_that_are_missing_are_those_of_the_pictures(
    tmp_path: Path,
) -> None:
    Image.new('RGB', (40, 30)).save(tmp_path / '1.jpg')
    box = dict(bbox=[2, 3, 20, 10], area=200, iscrowd=0)
    content = dict(
        images=[dict(id=1, file_name='1.jpg')],
        annotations=[dict(id=1, image_id=1, category_id=1, **box)],
        categories=[dict(id=1, name='cat')],
    )
    file = tmp_path / 'a.json'
    file.write_text(json.dumps(content))
    found = look_at_coco(file, tmp_path)
    assert found.content.images[0]['width'] == 40
    assert found.boxes(80).tolist() == [[40, 20]]
    (tmp_path / '1.jpg').write_bytes(b'')
    with pytest.raises(DataError, match='lacks width, lacks height'):
        look_at_coco(file, tmp_path)


def test_one_picture_with_objects_cannot_be_learned_and_scored(
    tmp_path: Path,
) -> None:
    box = dict(category_id=1, bbox=[2, 3, 20, 10], area=200, iscrowd=0)
    content = CocoContent(
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(4)],
        annotations=[dict(box, id=1, image_id=2)],
        categories=[dict(id=1, name='cat')],
    )
    whole = CocoSet(tmp_path / 'a.json', tmp_path, content)
    with pytest.raises(DataError, match='of 4 pictures one has objects'):
        split_coco(whole, tmp_path / 't.json', tmp_path / 'v.json')
    content.annotations.append(dict(box, id=2, image_id=0))
    whole = CocoSet(tmp_path / 'a.json', tmp_path, replace(content))
    parts = split_coco(whole, tmp_path / 't.json', tmp_path / 'v.json')
    assert [len(part.content.objects) for part in parts] == [1, 1]


def test_what_mmdet_leaves_out_is_no_object(tmp_path: Path) -> None:
    """An area of 0 as well as a side below a pixel."""
    Image.new('RGB', (40, 30)).save(tmp_path / '1.jpg')
    kept = dict(bbox=[2, 3, 20, 10], area=200)
    left_out = [dict(kept, area=0), dict(kept, bbox=[2, 3, 0.5, 10])]
    file = tmp_path / 'a.json'
    for first in (kept, left_out[0]):
        annotations = [
            dict(x, id=i, image_id=1, category_id=1, iscrowd=0)
            for i, x in enumerate((first, *left_out), start=1)
        ]
        content = dict(
            images=[dict(id=1, file_name='1.jpg', width=40, height=30)],
            annotations=annotations,
            categories=[dict(id=1, name='cat')],
        )
        file.write_text(json.dumps(content))
        if first is kept:
            assert look_at_coco(file, tmp_path).counts == (1,)
    with pytest.raises(DataError, match='none of 3 annotations .* in pixels'):
        look_at_coco(file, tmp_path)


def test_a_split_counts_crowds_as_no_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = coco_content()
    content['annotations'][0]['iscrowd'] = 1
    file = tmp_path / 'a.json'
    file.write_text(json.dumps(content), encoding='utf-8')
    assert main(['data', 'split', str(file)]) == 0
    words = capsys.readouterr().out.split()
    counts = [int(n) for n, x in pairwise(words) if x == 'objects']
    assert sum(counts) == len(content['annotations']) - 1
