"""Labels of YOLO, Pascal VOC and labelme as a COCO file.

labelformat, the library for this, has no labelme, passes over lines that it
does not understand and pictures without a label file, and writes COCO files
without ids and areas, which pycocotools refuses. Here every line is turned
into an object or is an error that names it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from convmae_mm.datasets.image_files import TURNED
from convmae_mm.errors import DataError

from .labelled import Labelled, Polygon, Read, picture_size
from .labelme import read_labelme
from .voc import read_voc
from .yolo import read_yolo

READERS: dict[str, Callable[[Path, str | None], Read]] = {
    'yolo': read_yolo,
    'voc': read_voc,
    'labelme': read_labelme,
}


def to_coco(
    kind: str, source: Path, split: str | None = None
) -> tuple[dict[str, Any], Path]:
    """The content of a COCO file, and the folder of its pictures.

    Args:
        kind: 'yolo', 'voc' or 'labelme'.
        source: Of YOLO its ``data.yaml``; otherwise the folder.
        split: Of YOLO, such as 'train'; of VOC, the name of a list in
            ``ImageSets/Main``. All pictures by default.

    Raises:
        FileNotFoundError: If something is not there.
        DataError: For a label that cannot be understood; says where it is.
    """
    if not source.exists():
        raise FileNotFoundError(f'{source} does not exist')
    images, names, pictures = READERS[kind](source, split)
    names = names or sorted({y.name for x in pictures for y in x.objects})
    content: dict[str, Any] = dict(
        images=[],
        annotations=[],
        categories=[
            dict(id=i, name=name) for i, name in enumerate(names, start=1)
        ],
    )
    ids = {name: i for i, name in enumerate(names, start=1)}
    for number, item in enumerate(pictures, start=1):
        width, height = picture_size(item.path)
        if all(item.stated) and item.stated != (width, height):
            way_out = (
                f', {TURNED}'
                if item.stated == (height, width)
                else ': convert with the pictures that were labelled, neither '
                'resized nor rotated'
            )
            raise DataError(
                f'{item.path} is {width} x {height} px, and was labelled as '
                f'{item.stated[0]} x {item.stated[1]}{way_out}'
            )
        content['images'].append(
            dict(
                id=number,
                file_name=os.path.relpath(item.path, images),
                width=width,
                height=height,
            )
        )
        for labelled in item.objects:
            _refuse_misplaced(labelled, width, height)
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=number,
                    category_id=ids[labelled.name],
                    iscrowd=0,
                    **_shape(labelled.box, labelled.polygons),
                )
            )
    if not content['annotations']:
        raise DataError(f'{source} labels no object in {len(pictures)} files')
    return content, images


def _refuse_misplaced(labelled: Labelled, width: int, height: int) -> None:
    x1, y1, x2, y2 = labelled.box
    if not labelled.name.strip():
        problem = 'the class has no name: give it one'
    elif not all(map(math.isfinite, labelled.box)) or x2 < x1 or y2 < y1:
        problem = (
            'this is no box: the first corner is the upper left one, the '
            'second the lower right one'
        )
    elif x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        problem = (
            f'it lies outside the picture of {width} x {height} px: correct '
            'it, or take the picture that was labelled'
        )
    else:
        return
    corners = ' '.join(f'{x:g}' for x in labelled.box)
    raise DataError(
        f'{labelled.where}: {labelled.name!r} from x1 y1 x2 y2 = {corners}: '
        f'{problem}'
    )


def _shape(box: Sequence[float], polygons: list[Polygon]) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    area = (x2 - x1) * (y2 - y1)
    shape: dict[str, Any] = dict(bbox=[x1, y1, x2 - x1, y2 - y1], area=area)
    if polygons:
        shape['segmentation'] = polygons
        shape['area'] = sum(_polygon_area(x) for x in polygons)
    return shape


def _polygon_area(polygon: Polygon) -> float:
    xs, ys = polygon[::2], polygon[1::2]
    pairs = zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    return abs(sum(x * v - u * y for x, y, u, v in pairs)) / 2
