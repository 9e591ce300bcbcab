"""Small sets of pictures with labels, as users have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ('dog', 'cat')  # not in the order of the alphabet
SIZE = (64, 48)


def write_pictures(folder: Path, count: int = 6) -> list[Path]:
    """Noise, brighter in the middle."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files = []
    for index in range(count):
        pixels = rng.integers(0, 120, (SIZE[1], SIZE[0], 3), np.uint8)
        pixels[12:36, 16:48] += 100
        files.append(folder / f'{index}.png')
        Image.fromarray(pixels).save(files[-1])
    return files


def coco_content(count: int = 6, masks: bool = False) -> dict[str, Any]:
    """A box in each picture, of the two classes in turn; ids are odd."""
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        x, y, w, h = 16, 12, 32, 24
        entry: dict[str, Any] = dict(
            id=index + 1,
            image_id=index,
            category_id=(7, 3)[index % 2],
            bbox=[x, y, w, h],
            area=w * h,
            iscrowd=0,
        )
        if masks:
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            entry['segmentation'] = [corners]
        annotations.append(entry)
    return dict(
        images=[
            dict(id=i, file_name=f'{i}.png', width=SIZE[0], height=SIZE[1])
            for i in range(count)
        ],
        annotations=annotations,
        categories=[
            dict(id=number, name=name)
            for number, name in zip((7, 3), CLASSES, strict=True)
        ],
    )


def write_coco(folder: Path, masks: bool = False) -> tuple[Path, Path]:
    """An annotation file and its pictures; returns both paths."""
    write_pictures(folder / 'images')
    file = folder / 'labels.json'
    file.write_text(json.dumps(coco_content(masks=masks)), 'utf-8')
    return file, folder / 'images'


def write_label_maps(folder: Path) -> tuple[Path, Path]:
    """Labels 0 to 2 and 11, which means nothing; returns both folders."""
    pictures = write_pictures(folder / 'images')
    labels = folder / 'labels'
    labels.mkdir()
    for picture in pictures:
        values = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        values[12:36, 16:32] = 1
        values[12:36, 32:48] = 2
        values[:4] = 11
        Image.fromarray(values).save(labels / f'{picture.stem}_L.png')
    return folder / 'images', labels


def write_class_folders(folder: Path) -> Path:
    """A folder for each class."""
    for name in CLASSES:
        write_pictures(folder / name, 4)
    return folder
