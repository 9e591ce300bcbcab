"""Pictures and the objects on them, as labels say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS, header_size
from convmae_mm.errors import DataError

Polygon = list[float]  # x1 y1 x2 y2 ... in pixels


class Labelled(NamedTuple):
    """An object on a picture.

    Attributes:
        name: Of its class.
        box: x1 y1 x2 y2 in pixels.
        polygons: Its outline, or none.
        where: The file that says so, and the place in it.
    """

    name: str
    box: tuple[float, float, float, float]
    polygons: list[Polygon]
    where: str


@dataclass(frozen=True)
class LabelledPicture:
    """A picture with its objects.

    Attributes:
        path: Of the picture.
        objects: On it.
        stated: Width and height as the labels have them; 0 if they do not.
    """

    path: Path
    objects: list[Labelled] = field(default_factory=list)
    stated: tuple[int, int] = (0, 0)


# The folder of the pictures, names of all classes if they are listed, pictures
Read = tuple[Path, list[str], list[LabelledPicture]]


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height as the picture is seen, upright."""
    size = header_size(str(path))
    if size is None:
        raise DataError(f'cannot decode {path}: get it again, or remove it')
    return size


def around(polygon: Polygon) -> tuple[float, float, float, float]:
    """The box of an outline."""
    xs, ys = polygon[::2], polygon[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def find_picture(folder: Path, named: str, file: Path) -> Path:
    """The picture a label file names, or the one of the same stem."""
    places = [folder / named, folder / Path(named).name]
    places += [
        folder / f'{file.stem}{suffix}'
        for lower in IMAGE_EXTENSIONS
        for suffix in (lower, lower.upper())
    ]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f'{file} is about {named}, which does not exist')


def read_lines(file: Path) -> list[str]:
    """Those of a text file, such as one of YOLO."""
    try:
        return file.read_text('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f'{file} is no text: {error}') from error
