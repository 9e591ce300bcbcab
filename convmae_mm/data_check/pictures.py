"""Pictures: are they there, do they decode, how large are they?"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import mmcv
import numpy as np
from PIL import Image

from convmae_mm.datasets.image_files import (
    TOO_LARGE,
    TURNED,
    header_size,
    is_turned,
)
from convmae_mm.datasets.load_multi_channel_image import (
    TIFF_EXTENSIONS,
    read_channels,
)
from convmae_mm.datasets.load_rgb_image import UndecodableImageError, read_rgb

from .places import list_files, require_folder
from .report import Notes, Severity

# (H, W) or (H, W, C) of a file
Load = Callable[[str], np.ndarray]
# (width, height) by the name of a file
Sizes = Mapping[str, tuple[int, int]]

# Pixels from which on only one picture is decoded at a time.
LARGE = 1 << 25
_ONE_LARGE = threading.Lock()


def check_count(
    code: str, what: str, found: int, expected: int | None, notes: Notes
) -> None:
    """Note a number that is not the one which the data set is known for."""
    if expected is None or found == expected:
        return
    few = found < expected
    notes.error(
        code,
        f'{found:,} {what} instead of {expected:,}: '
        f'{abs(found - expected):,} too {"few" if few else "many"}',
        'unpack the archive again and compare its size with the source'
        if few
        else 'remove what is not part of the data set',
    )


def measure(
    folder: Path, names: Sequence[str], notes: Notes, load: Load | None = None
) -> dict[str, tuple[int, int]]:
    """Decode pictures, all or a sample, and note those that cannot be.

    Args:
        folder: What the names are relative to.
        names: Of the pictures.
        notes: Where faults go; says whether headers suffice.
        load: Decodes a file as a training would; by default any picture.

    Returns:
        (width, height) of each picture that was looked at, upright: as a
        training sees it, after the orientation in its EXIF data is applied.
    """
    decode = notes.examiner.decode
    found = notes.look(
        lambda name: _size_or_reason(folder / name, decode, load),
        [name for name in names if not is_remote(name)],
        'pictures',
        'pictures decoded' if decode else 'headers of pictures',
    )
    where = f' in {folder}' if folder.parts else ''
    notes.error(
        'image-undecodable',
        f'{{count}} of {len(found):,} pictures{where} cannot be decoded',
        'get these files again, or remove them and what refers to them',
        [f'{k} ({v})' for k, v in found.items() if isinstance(v, str)],
    )
    return {k: v for k, v in found.items() if not isinstance(v, str)}


def check_turned(
    folder: Path, names: Sequence[str], notes: Notes, load: Load | None = None
) -> None:
    """Note pictures that a training sees turned, and their labels not.

    OpenCV applies the orientation in the EXIF data but to WebP files.

    Args:
        folder: What the names are relative to.
        names: Of the pictures.
        notes: Where faults go.
        load: Decodes a file as a training would; by default as mmcv does.
    """
    files = [x for x in names if x.lower().endswith('.webp')]
    notes.error(
        'image-turned',
        f'{{count}} of {len(names):,} pictures are WebP files that their EXIF '
        'data turn and OpenCV does not: labels would be misplaced',
        'save them as JPEG or PNG',
        [
            x
            for x in files
            if not is_remote(x)
            and is_turned(str(folder / x))
            and not _is_upright(str(folder / x), load or mmcv.imread)
        ],
    )


def _is_upright(path: str, load: Load) -> bool:
    try:
        seen, upright = load(path).mean(axis=-1), read_rgb(path).mean(axis=-1)
    except Exception:  # noted as undecodable
        return True
    return seen.shape == upright.shape and np.allclose(seen, upright, atol=3)


def _size_or_reason(
    path: Path, decode: bool, load: Load | None
) -> tuple[int, int] | str:
    size = header_size(str(path))
    if size is not None and not decode:
        return size
    large = size is None or size[0] * size[1] > LARGE
    # Large pictures one by one, so that memory holds one of them.
    with _ONE_LARGE if large else contextlib.nullcontext():
        try:
            height, width = (load or read_any)(str(path)).shape[:2]
        except MemoryError:
            raise
        except Exception as error:
            return _reason(str(path), error)
    return width, height


def read_any(path: str) -> np.ndarray:
    """A picture in three colours, or an array or TIFF of any channels."""
    if path.lower().endswith('.npy'):
        return read_channels(path)
    try:
        return read_rgb(path)
    except UndecodableImageError:
        if path.lower().endswith(TIFF_EXTENSIONS):
            return read_channels(path)
        raise


def _reason(path: str, error: Exception) -> str:
    """Why a picture cannot be read; OpenCV itself does not say."""
    if not isinstance(error, UndecodableImageError):
        try:
            read_any(path)
        except UndecodableImageError as clearer:
            error = clearer
    cause = error.__cause__ or error
    if isinstance(cause, Image.DecompressionBombError):
        return TOO_LARGE
    return str(cause) or type(error).__name__


def check_suffix(
    names: Sequence[str],
    suffix: str,
    folder: str | Path,
    notes: Notes,
    severity: Severity = 'error',
) -> None:
    """Note pictures that mmseg would not read."""
    notes.error(
        'image-suffix',
        f'{{count}} of {len(names):,} pictures in {folder} do not end in '
        f'{suffix}; mmseg reads files of one suffix (img_suffix) and passes '
        'over the others without a word',
        'rename or convert them, or join two data sets with ConcatDataset',
        [x for x in names if not x.endswith(suffix)],
        severity,
    )


def is_remote(path: str) -> bool:
    """Whether a path is one of a server, such as ``s3://...``."""
    return re.match(r'\w+://', path) is not None


def not_there(paths: Sequence[str]) -> list[str]:
    """Local files that do not exist; lists each folder once."""
    there: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        if is_remote(path):
            continue
        folder, name = os.path.split(path)
        if folder not in there:
            is_folder = os.path.isdir(folder or '.')
            there[folder] = set(os.listdir(folder or '.') if is_folder else ())
        if name not in there[folder]:
            missing.append(path)
    return missing


def existing(
    paths: Sequence[str], folder: str | Path, root: Path, notes: Notes
) -> list[str]:
    """The pictures of a list that exist; notes the others.

    Args:
        paths: All that are listed.
        folder: Where they should be.
        root: Where to look for the folder if it is not there.
        notes: Where faults go.
    """
    missing = set(not_there(paths))
    if not missing:
        return list(paths)
    if not require_folder(Path(folder), root, notes):
        return []
    present = list_files(Path(folder)) if str(folder) else []
    names = [os.path.relpath(x, folder or '.') for x in sorted(missing)]
    notes.error(
        'image-missing',
        f'{{count}} of {len(paths):,} pictures that the annotations list '
        f'do not exist in {folder or "."}',
        how_to_find(names, present),
        names,
    )
    return [x for x in paths if x not in missing]


def how_to_find(missing: Sequence[str], present: Sequence[str]) -> str:
    """What may have become of missing files, judging by what is there."""
    by_name = {PurePosixPath(x).name: x for x in present}
    by_stem = {PurePosixPath(x).stem.lower(): x for x in present}
    for name in missing[:100]:
        path = PurePosixPath(name)
        other = by_name.get(path.name) or by_stem.get(path.stem.lower())
        if other is not None:
            return (
                f'{name} seems to be there as {other}: move or rename the '
                'files, or correct file_name and the folder'
            )
    return (
        'get these files again, take them out of the annotations, or name the '
        'folder that file_name is relative to'
    )


def check_sizes(stated: Sizes, measured: Sizes, notes: Notes) -> None:
    """Compare what annotations say with the pictures."""
    others = other_sizes(measured, stated, 'annotations')
    turned = len(others) == sum(
        size != size[::-1] == stated.get(name)
        for name, size in measured.items()
    )
    notes.error(
        'image-size',
        f'{{count}} of {len(measured):,} pictures have another size than '
        'the annotations say',
        f'their boxes and masks would be misplaced, {TURNED}'
        if turned
        else 'their boxes and masks would be misplaced: use the pictures that '
        'were annotated (neither resized nor rotated), or correct width and '
        'height',
        others,
    )


def other_sizes(sizes: Sizes, others: Sizes, whose: str) -> list[str]:
    """Files whose (width, height) are not those that others give them."""
    return [
        f'{name} ({size[0]} x {size[1]}, {whose}: {other[0]} x {other[1]})'
        for name, size in sizes.items()
        if (other := others.get(name, size)) != size
    ]
