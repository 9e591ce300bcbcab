"""Labels of YOLO, Pascal VOC and labelme as a COCO file.

labelformat, the library for this, has no labelme, passes over lines that it
does not understand and pictures without a label file, and writes COCO files
without ids and areas, which pycocotools refuses. Here every line is turned
into an object or is an error that names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image, ImageOps

from convmae_mm.errors import DataError
from convmae_mm.files import regular_file

from .image_files import IMAGE_EXTENSIONS, find_in_folder, read_list

Polygon = list[float]  # x1 y1 x2 y2 ... in pixels


@dataclass(frozen=True)
class Labelled:
    """A picture with its objects.

    Attributes:
        path: Of the picture.
        objects: Class name, box x1 y1 x2 y2 in pixels, polygons (or none).
    """

    path: Path
    objects: list[tuple[str, tuple[float, ...], list[Polygon]]] = field(
        default_factory=list
    )


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
    seen = {name for item in pictures for name, _, _ in item.objects}
    names = names or sorted(seen)
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
        content['images'].append(
            dict(
                id=number,
                file_name=os.path.relpath(item.path, images),
                width=width,
                height=height,
            )
        )
        for name, box, polygons in item.objects:
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=number,
                    category_id=ids[name],
                    iscrowd=0,
                    **_shape(box, polygons),
                )
            )
    if not content['annotations']:
        raise DataError(f'{source} labels no object in {len(pictures)} files')
    return content, images


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height as the picture is seen, upright."""
    try:
        with Image.open(regular_file(path)) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.size
    except OSError as error:
        raise DataError(f'cannot decode {path}: {error}') from error


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


def _around(polygon: Polygon) -> tuple[float, float, float, float]:
    xs, ys = polygon[::2], polygon[1::2]
    return min(xs), min(ys), max(xs), max(ys)


Read = tuple[Path, list[str], list[Labelled]]


def _read_yolo(source: Path, split: str | None) -> Read:
    import yaml

    if source.is_dir():
        source = source / 'data.yaml'
    if not source.is_file():
        raise FileNotFoundError(f'{source} does not exist; name the data.yaml')
    try:
        content = yaml.safe_load(source.read_text('utf-8'))
        names = content['names']
    except (yaml.YAMLError, KeyError, TypeError, UnicodeError) as error:
        raise DataError(f'{source} is no data.yaml with names: {error}') from (
            error
        )
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(
                f'{source}: names count {list(names)}; they must count from '
                '0 without a gap'
            )
        names = [names[i] for i in range(len(names))]
    names = [str(x) for x in names]
    splits = [x for x in ('train', 'val', 'test') if content.get(x)]
    chosen = splits if split is None else [split]
    root = source.parent / str(content.get('path') or '.')
    pictures: list[Labelled] = []
    for name in chosen:
        if name not in splits:
            raise DataError(f'{source} has no {name!r}; it has {splits}')
        places = content[name]
        for place in places if isinstance(places, list) else [places]:
            files = _yolo_files(root, source.parent, str(place))
            pictures += [_read_yolo_picture(x, names) for x in files]
    return _common([x.path for x in pictures]), names, pictures


def _yolo_files(root: Path, beside: Path, place: str) -> list[Path]:
    """Pictures of a folder, or those that a text file lists."""
    # Roboflow writes ../train/images for what lies beside the file
    for found in (root / place, beside / place.removeprefix('../')):
        if found.is_dir():
            return [Path(x) for x in find_in_folder(found, IMAGE_EXTENSIONS)]
        if found.is_file():
            return _yolo_listed(found, root)
    raise FileNotFoundError(
        f'{root / place}, a folder of pictures or a list of them, does not '
        'exist'
    )


def _yolo_listed(text: Path, root: Path) -> list[Path]:
    # ./ is where the list is, all else what path says, or as it stands
    files = []
    for name in read_list(text, Path()):
        places = [text.parent / name, root / name, Path(name)]
        file = next((x for x in places if x.is_file()), None)
        if file is None:
            raise FileNotFoundError(
                f'{text} lists {name}, which is neither in {text.parent} nor '
                f'in {root}'
            )
        files.append(file)
    return files


def _read_yolo_picture(path: Path, names: Sequence[str]) -> Labelled:
    parts = list(path.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            break
    file = Path(*parts).with_suffix('.txt')
    item = Labelled(path)
    if not file.is_file():
        return item  # a picture with nothing on it
    width, height = picture_size(path)
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        where = f'{file}, line {number}: {line.strip()[:60]!r}'
        try:
            label, *numbers = (float(x) for x in line.split())
        except ValueError:
            raise DataError(f'{where} is not made of numbers') from None
        if not (label == int(label) and 0 <= label < len(names)):
            raise DataError(
                f'{where} has class {label:g}, and there are {len(names)}'
            )
        polygons: list[Polygon] = []
        if len(numbers) == 4:
            x, y, w, h = numbers
            box = (
                (x - w / 2) * width,
                (y - h / 2) * height,
                (x + w / 2) * width,
                (y + h / 2) * height,
            )
        elif len(numbers) >= 6 and len(numbers) % 2 == 0:
            polygons = [
                [
                    x * (height if i % 2 else width)
                    for i, x in enumerate(numbers)
                ]
            ]
            box = _around(polygons[0])
        else:
            raise DataError(
                f'{where} is neither a class with x y w h nor one with a '
                'polygon of three points or more'
            )
        item.objects.append((names[int(label)], box, polygons))
    return item


def _read_voc(source: Path, split: str | None) -> Read:
    annotations = source / 'Annotations'
    annotations = annotations if annotations.is_dir() else source
    images = source / 'JPEGImages'
    images = images if images.is_dir() else source
    files = sorted(annotations.glob('*.xml'))
    if split is not None:
        text = source / 'ImageSets' / 'Main' / f'{split}.txt'
        if not text.is_file():
            raise FileNotFoundError(f'{text} does not exist')
        stems = [x.split()[0] for x in text.read_text().splitlines() if x]
        files = [annotations / f'{stem}.xml' for stem in stems]
    if not files:
        raise FileNotFoundError(f'no *.xml in {annotations}')
    return images, [], [_read_voc_file(x, images) for x in files]


def _read_voc_file(file: Path, images: Path) -> Labelled:
    try:
        root = ElementTree.parse(file).getroot()
        named = root.findtext('filename') or ''
        item = Labelled(_picture(images, named, file))
        for entry in root.iter('object'):
            box = entry.find('bndbox')
            assert box is not None, 'an object has no bndbox'
            x1, y1, x2, y2 = (
                float(box.findtext(x) or 'nothing')
                for x in ('xmin', 'ymin', 'xmax', 'ymax')
            )
            # VOC counts pixels from 1, and the last one belongs to the box
            item.objects.append(
                (str(entry.findtext('name')), (x1 - 1, y1 - 1, x2, y2), [])
            )
    except (ElementTree.ParseError, ValueError, AssertionError) as error:
        raise DataError(f'{file}: {error}') from error
    return item


def _read_labelme(source: Path, split: str | None) -> Read:
    if split is not None:
        raise DataError(f'labelme has no splits: leave out --split {split}')
    files = sorted(source.rglob('*.json'))
    if not files:
        raise FileNotFoundError(f'no *.json below {source}')
    return source, [], [_read_labelme_file(x) for x in files]


def _read_labelme_file(file: Path) -> Labelled:
    try:
        content = json.loads(file.read_text('utf-8'))
        named = str(content['imagePath']).replace('\\', '/')
        item = Labelled(_picture(file.parent, named, file))
        for shape in content['shapes']:
            points = [float(x) for point in shape['points'] for x in point]
            kind = shape.get('shape_type') or 'polygon'
            if kind not in ('polygon', 'rectangle') or len(points) < (
                6 if kind == 'polygon' else 4
            ):
                raise DataError(
                    f'{file}: a {kind} of {len(points) // 2} points, '
                    f'{shape["label"]!r}; polygons and rectangles can be '
                    'converted'
                )
            polygons = [points] if kind == 'polygon' else []
            item.objects.append(
                (str(shape['label']), _around(points), polygons)
            )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise DataError(f'{file} is no file of labelme: {error!r}') from error
    return item


def _picture(folder: Path, named: str, file: Path) -> Path:
    """The picture a label file names, or the one of the same stem."""
    places = [folder / named, folder / Path(named).name]
    places += [
        (folder / file.stem).with_suffix(suffix) for suffix in IMAGE_EXTENSIONS
    ]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f'{file} is about {named}, which does not exist')


def _common(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([x.parent for x in paths]))


READERS: dict[str, Callable[[Path, str | None], Read]] = {
    'yolo': _read_yolo,
    'voc': _read_voc,
    'labelme': _read_labelme,
}
