"""Labels of YOLO: a ``data.yaml``, and a text beside each picture."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convmae_mm.datasets.image_files import (
    IMAGE_EXTENSIONS,
    find_in_folder,
    read_list,
)
from convmae_mm.errors import DataError

from .labelled import (
    Labelled,
    LabelledPicture,
    Polygon,
    Read,
    around,
    picture_size,
    read_lines,
)

# Shares of a picture that are rounded up are none in pixels.
MOST_SHARE = 1.01


def read_yolo(source: Path, split: str | None) -> Read:
    """The pictures of all splits, or of one."""
    import yaml

    if source.is_dir():
        source = source / 'data.yaml'
    if not source.is_file():
        raise FileNotFoundError(f'{source} does not exist; name the data.yaml')
    try:
        content = yaml.safe_load(source.read_text('utf-8-sig'))
        if not isinstance(content, dict):
            raise TypeError(f'it holds {content!r:.60}')
        names = _yolo_names(content, source)
    except (yaml.YAMLError, KeyError, TypeError, UnicodeError) as error:
        words = ' '.join(str(error).split())
        raise DataError(
            f'{source} is no data.yaml with names: {words}'
        ) from error
    splits = [x for x in ('train', 'val', 'test') if content.get(x)]
    if not splits:
        raise DataError(f'{source} names no pictures: give train, val or test')
    chosen = splits if split is None else [split]
    root = source.parent / str(content.get('path') or '.')
    files: dict[Path, None] = {}  # once, also those of two splits
    for name in chosen:
        if name not in splits:
            raise DataError(f'{source} has no {name!r}; it has {splits}')
        places = content[name]
        for place in places if isinstance(places, list) else [places]:
            found = _yolo_files(root, source.parent, str(place))
            files |= dict.fromkeys(found)
    if not any(_labels_of(x).is_file() for x in files):
        first = next(iter(files))
        raise DataError(
            f'{source}: none of {len(files)} pictures has labels; those of '
            f'{first} would be {_labels_of(first)}'
        )
    folder = os.path.commonpath([x.parent for x in files])
    return Path(folder), names, [_read_yolo_picture(x, names) for x in files]


def _yolo_names(content: dict[str, Any], source: Path) -> list[str]:
    names = content['names']
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(
                f'{source}: names count {list(names)}; they must count from '
                '0 without a gap'
            )
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f'{source}: names={names!r} must be a list of names')
    for name in names:
        # YAML reads yes, no, on and off as true and false
        if isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise DataError(f'{source}: the name {name!r} must be in quotes')
    names = [str(x) for x in names]
    twice = [x for x, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f'{source} names the class {twice[0]!r} more than once: give each '
            'number its own name'
        )
    if content.get('nc', len(names)) != len(names):
        raise DataError(
            f'{source} has nc: {content["nc"]} and {len(names)} names: '
            'correct the one that is wrong'
        )
    if 'kpt_shape' in content:
        raise DataError(
            f'{source} is of keypoints (kpt_shape); boxes and polygons can be '
            'converted'
        )
    return names


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


def _labels_of(path: Path) -> Path:
    parts = list(path.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            break
    return Path(*parts).with_suffix('.txt')


def _read_yolo_picture(path: Path, names: Sequence[str]) -> LabelledPicture:
    file = _labels_of(path)
    item = LabelledPicture(path)
    if not file.is_file():
        return item  # a picture with nothing on it
    width, height = picture_size(path)
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        where = f'{file}, line {number}: {line.strip()[:60]!r}'
        try:
            label, *numbers = (float(x) for x in line.split())
        except ValueError:
            raise DataError(f'{where} is not made of numbers') from None
        if label not in range(len(names)):
            raise DataError(
                f'{where} has class {label:g}, and there are {len(names)}'
            )
        for x in numbers:
            if not 1 - MOST_SHARE <= x <= MOST_SHARE:
                raise DataError(
                    f'{where} has {x:g}, and YOLO counts in shares of the '
                    'picture, 0 to 1: divide x and width in pixels by '
                    f'{width}, y and height by {height}'
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
            box = around(polygons[0])
        else:
            raise DataError(
                f'{where} is neither a class with x y w h nor one with a '
                'polygon of three points or more'
            )
        name = names[int(label)]
        item.objects.append(Labelled(name, box, polygons, where))
    return item
