"""Which pictures and videos are meant by paths, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS, tell, walk_files
from convmae_mm.errors import DataError

VIDEO_EXTENSIONS = (
    *('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'),
)
ARRAY_EXTENSIONS = ('.npy',)
_GLOB = '*?['


@dataclass(frozen=True)
class Source:
    """A picture or a video.

    Attributes:
        path: Of the file.
        name: Its path from what all sources have in common.
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_EXTENSIONS


@dataclass(frozen=True)
class Sources:
    """What was found.

    Attributes:
        files: Without repetition, sorted inside each folder.
        left_out: Suffixes of files in folders that are no pictures, counted.
    """

    files: list[Source]
    left_out: Counter[str]


def find_sources(names: Sequence[str], arrays: bool = False) -> Sources:
    """The files that are meant.

    Args:
        names: Files, folders (with all below) and patterns; ``**`` means any
            number of folders.
        arrays: Whether ``.npy`` files are pictures.

    Raises:
        FileNotFoundError: If one of them is not there, or holds no picture.
        DataError: If a named file is neither a picture nor a video.
    """
    wanted = {*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS}
    if arrays:
        wanted.update(ARRAY_EXTENSIONS)
    left_out: Counter[str] = Counter()
    found: dict[Path, None] = {}
    roots = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            files = sorted(walk_files(path))
            roots.append(path)
        elif path.is_file():
            if path.suffix.lower() not in wanted:
                raise DataError(
                    f'{path} is neither a picture nor a video: its name ends '
                    f'in none of {", ".join(sorted(wanted))}'
                )
            files = [path]
            roots.append(path.parent)
        elif any(sign in name for sign in _GLOB):
            matches = sorted(glob.glob(str(path), recursive=True))
            files = [Path(x) for x in matches if Path(x).is_file()]
            stem = name[: min(name.find(x) for x in _GLOB if x in name)]
            roots.append(Path(os.path.dirname(stem) or '.').expanduser())
        else:
            raise FileNotFoundError(f'{name} does not exist')
        good = [x for x in files if x.suffix.lower() in wanted]
        others = Counter(
            x.suffix or 'no extension'
            for x in files
            if x.suffix.lower() not in wanted
        )
        if not good:
            raise FileNotFoundError(
                f'no picture or video in {name}: '
                + (f'found {tell(others)}' if others else 'nothing there')
            )
        left_out += others
        found |= dict.fromkeys(good)
    common = Path(os.path.commonpath([x.absolute() for x in roots]))
    return Sources(
        [Source(x, os.path.relpath(x.absolute(), common)) for x in found],
        left_out,
    )
