"""Folders that annotation tools export, and the command that reads them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from convmae_mm.errors import DataError

# Of Roboflow; the first two also of YOLO.
TRAINING_SPLITS = ('train', 'training')
VALIDATION_SPLITS = ('val', 'valid', 'validation')
ROBOFLOW_COCO = '_annotations.coco.json'
YOLO_KEYS = re.compile(r'^(train|val)\s*:', re.MULTILINE)
VOC_SIGN = b'<annotation'
LABELME_SIGNS = (b'"shapes"', b'"imagePath"')
LOOKED_AT = 20  # files of a folder, of which some may be of other tools


def refuse_export(folder: Path) -> None:
    """Say how an export becomes a COCO file.

    Raises:
        DataError: If the folder, or the file, belongs to one.
    """
    advice = how_to_read(folder)
    if advice is not None:
        raise DataError(advice)


def how_to_read(place: Path) -> str | None:
    """What an export is and what to type; None for anything else.

    Args:
        place: Its folder, or the ``data.yaml`` of YOLO.
    """
    if place.suffix in ('.yaml', '.yml') and place.is_file():
        return _advice(place, 'is of YOLO', 'yolo', place)
    if not place.is_dir():
        return None
    found = (reads(place) for reads in (_coco, _yolo, _voc, _labelme))
    return next(filter(None, found), None)


def _advice(place: Path, what: str, kind: str, source: Path) -> str:
    command = ['convmae-mm', 'data', 'convert', kind, str(source)]
    return f'{place} {what}: {shlex.join(command)} makes a COCO file of it'


def _coco(folder: Path) -> str | None:
    """Roboflow's COCO: a file in the folder of each split."""
    splits = [*TRAINING_SPLITS, *VALIDATION_SPLITS, 'test']
    found = [x for x in splits if (folder / x / ROBOFLOW_COCO).is_file()]
    if not found and not (folder / ROBOFLOW_COCO).is_file():
        return None
    train = folder / found[0] if found else folder
    options = ['--coco', train / ROBOFLOW_COCO, '--images', train]
    for val in (folder / x for x in found if x in VALIDATION_SPLITS):
        if val != train:
            options += ['--coco-val', val / ROBOFLOW_COCO]
            options += ['--val-images', val]
    return (
        f'{folder} is an export of Roboflow in COCO form: convmae-mm run '
        f'{shlex.join(map(str, options))} trains on it'
    )


def _yolo(folder: Path) -> str | None:
    for file in sorted([*folder.glob('*.yaml'), *folder.glob('*.yml')]):
        text = file.read_text('utf-8', errors='replace')
        if 'names' in text and YOLO_KEYS.search(text):
            return _advice(folder, 'is in the form of YOLO', 'yolo', file)
    labels = folder / 'labels'
    if any(labels.glob('**/*.txt')):
        return (
            f'{folder} has labels in the form of YOLO, and no data.yaml: '
            'write one (path, train, val, names), then convmae-mm data '
            f'convert yolo {folder / "data.yaml"} makes a COCO file of it'
        )
    return None


def _voc(folder: Path) -> str | None:
    splits = [*TRAINING_SPLITS, *VALIDATION_SPLITS]
    for place in (folder, *(folder / x for x in splits)):
        files = [*(place / 'Annotations').glob('*.xml'), *place.glob('*.xml')]
        if files and VOC_SIGN in _head(files[0]):
            return _advice(
                folder, 'is in the form of Pascal VOC', 'voc', place
            )
    return None


def _labelme(folder: Path) -> str | None:
    for file in sorted(folder.glob('*.json'))[:LOOKED_AT]:
        head = _head(file)
        if all(sign in head for sign in LABELME_SIGNS):
            what = 'is in the form of labelme'
            return _advice(folder, what, 'labelme', folder)
    return None


def _head(file: Path) -> bytes:
    with file.open('rb') as opened:
        return opened.read(1 << 20)
