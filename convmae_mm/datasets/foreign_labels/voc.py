"""Labels of Pascal VOC: an XML for each picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from convmae_mm.errors import DataError
from convmae_mm.files import existing_folder

from .labelled import (
    Labelled,
    LabelledPicture,
    Read,
    find_picture,
    read_lines,
)

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


def read_voc(source: Path, split: str | None) -> Read:
    """All pictures that have an XML, or those of a list."""
    existing_folder(source, 'XML files')
    annotations = source / 'Annotations'
    annotations = annotations if annotations.is_dir() else source
    images = source / 'JPEGImages'
    images = images if images.is_dir() else source
    files = sorted(annotations.glob('*.xml'))
    if split is not None:
        text = source / 'ImageSets' / 'Main' / f'{split}.txt'
        if not text.is_file():
            raise FileNotFoundError(f'{text} does not exist')
        stems = [x.split()[0] for x in read_lines(text) if x.strip()]
        files = [annotations / f'{stem}.xml' for stem in stems]
    if not files:
        raise FileNotFoundError(f'no *.xml in {annotations}')
    return images, [], [_read_voc_file(x, images) for x in files]


def _read_voc_file(file: Path, images: Path) -> LabelledPicture:
    try:
        root = ElementTree.parse(file).getroot()
        named = root.findtext('filename') or ''
        item = LabelledPicture(
            find_picture(images, named, file),
            stated=(_side(root, 'width'), _side(root, 'height')),
        )
        for number, entry in enumerate(root.iter('object'), start=1):
            box = entry.find('bndbox')
            assert box is not None, f'object {number} has no bndbox'
            where = f'{file}, object {number}'
            x1, y1, x2, y2 = (_corner(box, x, where) for x in CORNERS)
            name = (entry.findtext('name') or '').strip()
            # VOC counts pixels from 1, and the last one belongs to the box
            item.objects.append(
                Labelled(name, (x1 - 1, y1 - 1, x2, y2), [], where)
            )
    except DataError:
        raise
    except (ElementTree.ParseError, ValueError, AssertionError) as error:
        raise DataError(f'{file}: {error}') from error
    return item


def _corner(box: ElementTree.Element, name: str, where: str) -> float:
    text = box.findtext(name)
    try:
        return float(text or '')
    except ValueError:
        raise DataError(f'{where}: {name}={text!r} is no number') from None


def _side(root: ElementTree.Element, name: str) -> int:
    return int(float(root.findtext(f'size/{name}') or 0))
