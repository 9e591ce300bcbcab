"""Find picture files: in a folder, by pattern, or from a list."""

from __future__ import annotations

import bisect
import glob
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.files import existing_folder, regular_file

IMAGE_EXTENSIONS = (
    '.bmp',
    '.jpeg',
    '.jpg',
    '.pgm',
    '.png',
    '.ppm',
    '.tif',
    '.tiff',
    '.webp',
)
# OpenCV's limit: one for all that read pictures. PIL warns from the half on
# and raises above the whole, which its own value has at a sixth of this.
MOST_PIXELS = 1 << 30
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)
TOO_LARGE = (
    f'it has more than {MOST_PIXELS:,} pixels, the most that is read: cut it '
    'into tiles'
)


# In EXIF data: its tag, and the first value that exchanges the sides.
ORIENTATION, QUARTER_TURNS = 0x0112, 5
# Tags of TIFF: width and height of what is stored.
STORED_SIDES = 0x0100, 0x0101
TURNED = (
    'as if the orientation in the EXIF data had been ignored, which training '
    'applies: take it out of these pictures (exiftool -Orientation= FILES), '
    'and they are again what was annotated'
)


def header_size(path: str) -> tuple[int, int] | None:
    """(width, height), upright, without decoding; None if that is unknown."""
    try:
        if path.endswith('.npy'):
            return None
        with Image.open(regular_file(path)) as image:
            width, height = image.size
            if isinstance(image, TiffImageFile):
                # PIL's size is upright in some versions, and not in others
                width, height = (image.tag_v2[x] for x in STORED_SIDES)
            turned = _orientation(image) >= QUARTER_TURNS
    except Exception:  # PIL raises whatever it meets
        return None
    return (height, width) if turned else (width, height)


def is_turned(path: str) -> bool:
    """Whether a picture's EXIF data say that it lies, or stands on its head.

    False where that is unknown.
    """
    try:
        with Image.open(regular_file(path)) as image:
            return _orientation(image) != 1
    except Exception:  # PIL raises whatever it meets
        return False


def _orientation(image: Image.Image) -> int:
    """As EXIF data count it, 1 for upright."""
    # PIL decodes a whole PNG to look for EXIF data behind the pixels.
    if image.format == 'PNG' and 'exif' not in image.info:
        return 1
    return int(image.getexif().get(ORIENTATION, 1))


def walk_files(folder: Path) -> Iterator[Path]:
    """All files below, through symbolic links, round no loop.

    Names that begin with a dot are passed over: they are thumbnails,
    checkpoints of editors and resource forks.
    """
    seen = {os.path.realpath(folder)}
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(
            name for name in folders if not name.startswith('.')
        )
        for name in list(folders):
            real = os.path.realpath(os.path.join(parent, name))
            if real in seen:
                folders.remove(name)
            seen.add(real)
        for name in files:
            if not name.startswith('.'):
                yield Path(parent, name)


def _select(
    files: Iterable[Path], extensions: Sequence[str], where: str
) -> list[str]:
    wanted = {extension.lower() for extension in extensions}
    kept: set[str] = set()
    others: Counter[str] = Counter()
    for file in files:
        if file.suffix.lower() in wanted:
            kept.add(str(file))
        else:
            others[file.suffix or 'no extension'] += 1
    if not kept:
        raise FileNotFoundError(
            f'no picture {where}: looked for files that end in '
            f'{", ".join(sorted(wanted))}; found '
            f'{tell(others) or "no file at all"}'
        )
    return sorted(kept)


def tell(suffixes: Counter[str]) -> str:
    """Such as '2 x .txt, 1 x .json'."""
    return ', '.join(f'{n} x {x}' for x, n in suffixes.most_common(5))


def check_extensions(extensions: Sequence[str]) -> tuple[str, ...]:
    """Refuse extensions that could match nothing."""
    if isinstance(extensions, str) or not extensions:
        raise ConfigError(
            f"{extensions=} must be a list of one or more, such as ['.jpg']"
        )
    for extension in extensions:
        if not extension.startswith('.'):
            raise ConfigError(f'{extension=} must begin with a dot')
    return tuple(extensions)


def find_in_folder(folder: Path, extensions: Sequence[str]) -> list[str]:
    """Pictures in a folder and all folders below, sorted by path.

    Args:
        folder: where to start; symbolic links are followed.
        extensions: with the dot; upper and lower case alike.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
        DataError: it is a file.
    """
    return _select(
        walk_files(existing_folder(folder)),
        extensions,
        f'below {folder.absolute()}',
    )


def find_by_pattern(
    folder: Path, patterns: Sequence[str], extensions: Sequence[str]
) -> list[str]:
    """Pictures that match one or more patterns, sorted by path.

    Args:
        folder: what the patterns are relative to.
        patterns: as ``glob.glob`` takes them; ``**`` means any
            number of folders. Each has to match a picture.
        extensions: with the dot; upper and lower case alike.

    Raises:
        FileNotFoundError: a pattern matches no picture.
    """
    found: set[str] = set()
    for pattern in patterns:
        # Not pathlib's glob: its ** does not follow symbolic links.
        names = glob.iglob(pattern, root_dir=folder, recursive=True)
        files = (folder / name for name in names if (folder / name).is_file())
        where = f'matches {pattern!r} in {folder.absolute()}'
        found.update(_select(files, extensions, where))
    return sorted(found)


# What may follow a common name: a word, no number of another picture.
ENDING = r'[_.-][A-Za-z].*'


def endings(pictures: Sequence[str], maps: Sequence[str]) -> tuple[str, str]:
    """What follows the name that a picture and its label map share.

    Args:
        pictures: Names without suffix, such as ``7`` or ``7_image``.
        maps: The same of label maps, such as ``7_mask``.

    Returns:
        Of the pictures and of the maps; empty if the names are the same.
    """
    ordered = sorted(maps)
    if not set(ordered).isdisjoint(pictures):
        return '', ''
    for name in sorted(pictures, key=len, reverse=True):
        place = bisect.bisect_left(ordered, name)
        if place < len(ordered) and ordered[place].startswith(name):
            ending = ordered[place].removeprefix(name)
            if re.fullmatch(ENDING, ending):
                return '', ending
    return _common_ending(pictures), _common_ending(maps)


def _common_ending(names: Sequence[str]) -> str:
    """What all end in, from a separator on: '_mask' of 10_mask, 20_mask."""
    ending = os.path.commonprefix([x[::-1] for x in names])[::-1]
    found = re.search(rf'{ENDING}$', ending)
    return found[0] if found else ''


def read_list(list_file: Path, folder: Path) -> list[str]:
    """The files a text file names, one path a line, in its order.

    Args:
        list_file: UTF-8; empty lines are passed over. A path listed twice
            counts twice.
        folder: what relative paths are relative to.

    Raises:
        FileNotFoundError: no such list.
        DataError: it names no file.
    """
    if not list_file.is_file():
        raise FileNotFoundError(
            f'list of pictures {list_file} (= {list_file.absolute()}) does '
            'not exist'
        )
    lines = list_file.read_text(encoding='utf-8').splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(
            f'list of pictures {list_file.absolute()} is empty: write one '
            'path a line'
        )
    return [str(folder / name) for name in names]
