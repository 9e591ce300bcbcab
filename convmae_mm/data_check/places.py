"""Where files are, and where they might be instead."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS, walk_files

from .exports import TRAINING_SPLITS, VALIDATION_SPLITS
from .report import Notes

ARCHIVES = ('.zip', '.tar', '.tgz', '.gz', '.7z', '.rar')
# Arrays are pictures of any number of channels.
PICTURES = (*IMAGE_EXTENSIONS, '.npy')


# What the folder of a split is called, and words beside that.
SPLITS = {
    'train': {*TRAINING_SPLITS},
    'val': {*VALIDATION_SPLITS},
    'test': {'test', 'testing'},
}
FILLERS = {'', 'data', 'dataset', 'images', 'seg', 'set'}
# Words in names of folders that are no classes.
ROLES = set(
    'images image img imgs pictures picture photos jpegimages frames '
    'annotations annotation label labels mask masks maps map gt '
    'segmentation segmentations'.split()
).union(*SPLITS.values())


def list_files(
    folder: Path, extensions: Sequence[str] = PICTURES
) -> list[str]:
    """Paths of the files in and below a folder, relative to it, sorted.

    Args:
        folder: Where; links are followed, dotted names passed over.
        extensions: In lower case; other files are left out.
    """
    files = (
        file.relative_to(folder).as_posix()
        for file in walk_files(folder)
        if file.suffix.lower() in extensions
    )
    return sorted(files)


def require_folder(
    folder: Path, root: Path, notes: Notes, code: str = 'image-folder-missing'
) -> bool:
    """Whether a folder is there; if not, say so and where it may be."""
    there = folder.is_dir()
    if not there:
        problem = f'the folder {in_full(folder)} does not exist'
        if folder.exists():
            problem = f'{folder} is a file, no folder'
        notes.error(code, problem, how_to_place(folder, root))
    return there


def in_full(path: str | Path) -> str:
    """A path, and where that is if it is relative."""
    if os.path.isabs(path):
        return str(path)
    return f'{path or "."} (= {os.path.abspath(path)})'


def how_to_place(missing: Path, root: Path) -> str:
    """What to do about a file or folder that is not where it should be."""
    found = _elsewhere(missing, root)
    if found is not None:
        return (
            f'it seems to be at {found}: move it there, or link it: '
            f"ln -s '{found.absolute()}' '{missing}'"
        )
    archives = _archives(missing, root)
    if archives:
        return f'unpack {", ".join(map(str, archives[:3]))} first'
    parent = missing.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    names = sorted(x.name for x in parent.iterdir())[:8]
    seen = ', '.join(names) or 'nothing'
    return f'put it there, or link it; {parent} holds {seen}'


def _elsewhere(missing: Path, root: Path) -> Path | None:
    """Something of the same name, near the root."""
    inside = missing.is_relative_to(root)
    parts = missing.relative_to(root).parts if inside else missing.parts
    # Names such as 'training' occur twice in a data set: take two of them.
    names = parts[-1:] if missing.suffix else parts[-2:]
    # Two levels find the usual slips, a folder in a folder of the same name or
    # inside what an archive's name became, without listing a million files.
    near = (root, *sorted(root.glob('*/')), *sorted(root.glob('*/*/')))
    places = (folder.joinpath(*names) for folder in near)
    return next((x for x in places if x != missing and x.exists()), None)


def _archives(missing: Path, root: Path) -> list[Path]:
    """Packed files beside it, or at the root, that are named like it."""
    files = {x for y in (root, missing.parent) for x in y.glob('*')}
    return sorted(x for x in files if x.suffix.lower() in ARCHIVES)


def subfolders(folder: Path) -> list[str]:
    """Names of the class folders, in the order of their numbers."""
    return sorted(
        x.name
        for x in folder.iterdir()
        if x.is_dir() and not x.name.startswith('.')
    )


def words_of(name: str) -> set[str]:
    """Those in the name of a folder, in lower case."""
    return set(re.split('[^a-z]+', name.lower()))


def find_splits(folder: Path) -> dict[str, Path]:
    """Folders such as ``train`` and ``test_set``, where they are no classes.

    Returns:
        Those of 'train', 'val' and 'test' that are there; none if only some
        class is called so.
    """
    names = subfolders(folder)
    found: dict[str, Path] = {}
    for name in names:
        words = words_of(name) - FILLERS
        for split, called in SPLITS.items():
            if len(words) == 1 and words <= called:
                found.setdefault(split, folder / name)
    if len(found) < len(names) and not (len(found) > 1 and 'train' in found):
        return {}
    return {x: found[x] for x in SPLITS if x in found}
