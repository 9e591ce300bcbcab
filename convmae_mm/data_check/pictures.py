"""Pictures: are they there, do they decode, how large are they?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS, TOO_LARGE
from convmae_mm.datasets.load_multi_channel_image import (
    TIFF_EXTENSIONS,
    read_channels,
)
from convmae_mm.datasets.load_rgb_image import UndecodableImageError, read_rgb
from convmae_mm.files import regular_file

from .examiner import Examiner
from .places import list_files, require_folder
from .report import Report

# (H, W) or (H, W, C) of a file
Load = Callable[[str], np.ndarray]

# In EXIF data: its tag, and the first value that exchanges the sides.
ORIENTATION, QUARTER_TURNS = 0x0112, 5
# Pixels from which on only one picture is decoded at a time.
LARGE = 1 << 25
_ONE_LARGE = threading.Lock()


@dataclass(frozen=True)
class PictureFolder:
    """A folder of pictures without labels, nested as it may be.

    Args:
        part: Its name in the report.
        folder: Where it is.
        root: Where to look for it if it is not there.
        expected: How many pictures it should hold, if that is known.
    """

    part: str
    folder: Path
    root: Path
    expected: int | None = None

    def check(self, report: Report, examiner: Examiner) -> None:
        """Note what is wrong with it."""
        missing = 'image-folder-missing'
        if not require_folder(
            self.folder, self.root, missing, self.part, report
        ):
            return
        names = list_files(self.folder)
        report.note(self.part, images=len(names))
        if not names:
            report.add(
                'no-images',
                self.part,
                f'{self.folder} holds no picture',
                f'put files there that end in {", ".join(IMAGE_EXTENSIONS)}',
            )
            return
        check_count(
            'image-count', 'pictures', len(names), self.expected, self.part,
            report,
        )  # fmt: skip
        measure(self.folder, names, self.part, report, examiner)


def check_count(
    code: str,
    what: str,
    found: int,
    expected: int | None,
    part: str,
    report: Report,
) -> None:
    """Note a number that is not the one which the data set is known for."""
    if expected is None or found == expected:
        return
    difference = abs(found - expected)
    few = found < expected
    report.add(
        code,
        part,
        f'{found:,} {what} instead of {expected:,}: {difference:,} too '
        f'{"few" if few else "many"}',
        'unpack the archive again and compare its size with the source'
        if few
        else 'remove what is not part of the data set',
    )


def measure(
    folder: Path,
    names: Sequence[str],
    part: str,
    report: Report,
    examiner: Examiner,
    load: Load | None = None,
) -> dict[str, tuple[int, int]]:
    """Decode pictures, all or a sample, and note those that cannot be.

    Args:
        folder: What the names are relative to.
        names: Of the pictures.
        part: Name in the report.
        report: Where faults go.
        examiner: Chooses the sample, and whether headers suffice.
        load: Decodes a file as a training would; by default any picture.

    Returns:
        (width, height) of each picture that was looked at, upright: as a
        training sees it, after the orientation in its EXIF data is applied.
    """
    chosen = examiner.choose(names)
    results = examiner.map(
        lambda name: _size_or_reason(folder / name, examiner.decode, load),
        chosen,
        f'{part}: pictures',
    )
    sizes, bad = {}, []
    for name, result in zip(chosen, results, strict=True):
        if isinstance(result, str):
            bad.append(f'{name} ({result})')
        else:
            sizes[name] = result
    what = 'pictures decoded' if examiner.decode else 'headers of pictures'
    report.note_examined(part, what, len(chosen), len(names))
    report.add(
        'image-undecodable',
        part,
        f'{{count}} of {len(chosen):,} pictures cannot be decoded',
        'get these files again, or remove them and what refers to them',
        bad,
    )
    return sizes


def header_size(path: str) -> tuple[int, int] | None:
    """(width, height), upright, without decoding; None if that is unknown."""
    try:
        if path.endswith('.npy'):
            return None
        with Image.open(regular_file(path)) as image:
            width, height = image.size
            # PIL decodes a whole PNG to look for EXIF data behind the pixels.
            has_none = image.format == 'PNG' and 'exif' not in image.info
            exif = {} if has_none else image.getexif()
            turned = exif.get(ORIENTATION, 1) >= QUARTER_TURNS
    except Exception:  # PIL raises whatever it meets
        return None
    return (height, width) if turned else (width, height)


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


def check_listed(
    listed: Sequence[str],
    present: Sequence[str],
    folder: Path,
    part: str,
    report: Report,
) -> list[str]:
    """Compare the pictures an annotation file lists with those there are.

    Returns:
        The listed names that exist.
    """
    there = set(present)
    missing = [name for name in listed if name not in there]
    report.add(
        'image-missing',
        part,
        f'{{count}} of {len(listed):,} pictures that the annotations list '
        f'do not exist in {folder}',
        how_to_find(missing, present),
        missing,
    )
    known = set(listed)
    report.add(
        'image-unlisted',
        part,
        f'{{count}} of {len(present):,} pictures in {folder} are in no '
        'annotation file, so that nothing reads them',
        'remove them, or add them to the annotations',
        [name for name in present if name not in known],
        severity='warning',
    )
    return [name for name in listed if name in there]


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
    return 'get these files again, or take them out of the annotations'


def check_sizes(
    stated: Mapping[str, tuple[int, int]],
    measured: Mapping[str, tuple[int, int]],
    part: str,
    report: Report,
) -> None:
    """Compare (width, height) in the annotations with the pictures'."""
    wrong = [
        f'{name} ({_by(size)}, annotations: {_by(stated[name])})'
        for name, size in measured.items()
        if size != stated.get(name, size)
    ]
    report.add(
        'image-size',
        part,
        f'{{count}} of {len(measured):,} pictures have another size than '
        'the annotations say',
        'their boxes and masks would be misplaced: use the pictures that '
        'were annotated (neither resized nor rotated), or correct width and '
        'height',
        wrong,
    )


def _by(size: tuple[int, int]) -> str:
    return f'{size[0]} x {size[1]}'
