"""How a data set lies on disk, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from convmae_mm.datasets.digit_scenes import MANIFEST
from convmae_mm.datasets.image_files import find_in_folder, walk_files
from convmae_mm.errors import ConfigError, DataError

from . import public_sets as known
from .class_folders import ClassFolders
from .exports import refuse_export
from .picture_folder import PictureFolder
from .places import PICTURES, ROLES, find_splits, subfolders, words_of
from .report import Examiner, Part, Report

OWN_LAYOUT = 'own'


def picture_parts(root: Path, report: Report) -> list[Part]:
    """Any pictures in a folder and below, without labels."""
    return [PictureFolder('pictures', root, root)]


def class_folder_parts(root: Path, report: Report) -> list[Part]:
    """Class folders, in folders of splits if there are such, or right here.

    A test split may lack classes.
    """
    splits = find_splits(root)
    if not splits:
        return [ClassFolders('classes', root, root)]
    like = next(iter(splits.values()))
    return [
        PictureFolder(x.name, x, root)
        if split == 'test' and not subfolders(x)
        else ClassFolders(x.name, x, root, like=like)
        for split, x in splits.items()
    ]


# Layouts by name: what makes their parts.
LAYOUTS: dict[str, Callable[[Path, Report], list[Part]]] = {
    'coco': known.coco_parts,
    'ade20k': known.ade20k_parts,
    'imagenet': known.imagenet_parts,
    'digit-scenes': known.digit_scenes_parts,
    'class-folders': class_folder_parts,
    'pictures': picture_parts,
}

_SYNSET = re.compile(r'n\d{8}(\.tar)?$')
# What a public set has and no other does; one of them will do.
_SIGNS: dict[str, tuple[str, ...]] = {
    'digit-scenes': (MANIFEST, 'label_maps', '.incomplete'),
    'coco': (
        *('train2017', 'annotations/instances_train2017.json'),
        *('val2017', 'annotations/instances_val2017.json'),
    ),
    'ade20k': (
        *('images/training', 'annotations/training', 'objectInfo150.txt'),
        *('images/validation', 'annotations/validation'),
    ),
}


def check_data(
    root: str | Path,
    layout: str | None = None,
    parts: Sequence[Part] = (),
    examiner: Examiner | None = None,
) -> Report:
    """Find out what is wrong with a data set.

    Args:
        root: Its folder.
        layout: One of ``LAYOUTS``; by default the one that it looks like.
        parts: Check these instead of a layout's, for a set with places and
            names of its own.
        examiner: Decides how many files are opened; by default 500 of each
            part.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ConfigError: If there is no such layout, or none can be recognised.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f'data set {root} does not exist')
    if parts and layout is not None:
        raise ConfigError(
            f'{layout=} and parts of your own exclude each other'
        )
    if layout not in (None, *LAYOUTS):
        raise ConfigError(f'{layout=} must be one of {sorted(LAYOUTS)}')
    name = OWN_LAYOUT if parts else layout or recognise(root)
    report = Report(root=str(root), layout=name)
    for part in parts or LAYOUTS[name](root, report):
        part.check(report, examiner or Examiner())
    return report


def recognise(root: Path) -> str:
    """The name of the layout that a folder has.

    Looks into the folder, then into the one folder inside it that looks like
    a public set, because archives often unpack into a folder of their own.

    Raises:
        FileNotFoundError: If there is no such folder.
        DataError: If it looks like none of them; says how to tell.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'data set {root} does not exist')
    name = _recognise(root)
    if name is not None:
        return name
    refuse_export(root)
    splits = [x for name, x in find_splits(root).items() if name != 'test']
    if all(map(_are_classes, splits or [root])):
        return 'class-folders'
    if any(True for _ in walk_files(root)):
        find_in_folder(root, PICTURES)  # says so if none is a picture
    names = sorted(x.name for x in root.iterdir())
    seen = ', '.join(names[:8]) or 'nothing'
    inside = [x for x in root.iterdir() if x.is_dir() and _recognise(x)]
    advice = f'did you mean {inside[0]}? ' if len(inside) == 1 else ''
    raise DataError(
        f'{root} looks like none of {", ".join([*_SIGNS, "imagenet"])}; it '
        f'holds {seen}: {advice}Name the layout with --layout (class-folders '
        'for one folder of pictures for each class), or the parts of your own '
        'set with --ann-file and --images, or --images and --label-maps'
    )


def _recognise(root: Path) -> str | None:
    for name, signs in _SIGNS.items():
        if any((root / sign).exists() for sign in signs):
            return name
    for split in ('train', 'val'):
        folder = root / split
        if folder.is_dir() and any(
            _SYNSET.match(x.name) or x.name.startswith('ILSVRC2012_')
            for x in folder.iterdir()
        ):
            return 'imagenet'
    return None


def _are_classes(folder: Path) -> bool:
    """Whether it holds folders of pictures, two at least, and nothing else.

    Not those that are called like parts of another kind of data set.
    """
    inside = [x for x in folder.iterdir() if not x.name.startswith('.')]
    return len(inside) > 1 and all(
        x.is_dir()
        and ROLES.isdisjoint(words_of(x.name))
        and any(y.suffix.lower() in PICTURES for y in x.iterdir())
        for x in inside
    )
