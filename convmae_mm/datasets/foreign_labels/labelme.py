"""Labels of labelme: a JSON for each picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

from convmae_mm.errors import DataError
from convmae_mm.files import existing_folder

from .labelled import Labelled, LabelledPicture, Read, around, find_picture


def read_labelme(source: Path, split: str | None) -> Read:
    """All pictures that have a JSON."""
    if split is not None:
        raise DataError(f'labelme has no splits: leave out --split {split}')
    existing_folder(source, 'JSON files')
    files = sorted(source.rglob('*.json'))
    if not files:
        raise FileNotFoundError(f'no *.json below {source}')
    return source, [], [_read_labelme_file(x) for x in files]


def _read_labelme_file(file: Path) -> LabelledPicture:
    try:
        content = json.loads(file.read_text('utf-8-sig'))
        if {'images', 'annotations'} <= set(content):
            raise DataError(
                f'{file} is a COCO file, among those of labelme: move it to '
                'another folder'
            )
        named = str(content['imagePath']).replace('\\', '/')
        item = LabelledPicture(
            find_picture(file.parent, named, file),
            stated=(
                int(content.get('imageWidth') or 0),
                int(content.get('imageHeight') or 0),
            ),
        )
        for number, shape in enumerate(content['shapes'], start=1):
            points = [float(x) for point in shape['points'] for x in point]
            kind = shape.get('shape_type') or 'polygon'
            least = {'polygon': 6, 'rectangle': 4}.get(kind, math.inf)
            if len(points) < least or len(points) % 2:
                raise DataError(
                    f'{file}: a {kind} of {len(points) // 2} points, '
                    f'{shape["label"]!r}; polygons and rectangles can be '
                    'converted'
                )
            polygons = [points] if kind == 'polygon' else []
            name = str(shape['label'] or '')
            where = f'{file}, shape {number}'
            item.objects.append(
                Labelled(name, around(points), polygons, where)
            )
    except DataError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f'{file} is no file of labelme: {error!r}') from error
    return item
