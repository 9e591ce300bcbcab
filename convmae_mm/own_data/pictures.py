"""Look at pictures: how many, how large, how bright."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convmae_mm.data_check.report import Examiner, Notes, Report
from convmae_mm.datasets.channel_statistics import channel_statistics
from convmae_mm.datasets.image_files import (
    IMAGE_EXTENSIONS,
    find_in_folder,
    header_size,
    tell,
    walk_files,
)
from convmae_mm.errors import DataError

# Mean and deviation settle within a few hundred pictures, sizes too.
LOOKED_AT = 300


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a set of pictures.

    Attributes:
        count: How many there are.
        long_side: Median of the longer sides, in pixels.
        short_side: Median of the shorter sides.
        sizes: Their sizes in words.
        mean: Of the red, green and blue values, 0 to 255.
        std: Their standard deviations.
        looked_at: How many were read for the last five.
    """

    count: int
    long_side: int
    short_side: int
    sizes: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    looked_at: int


def list_pictures(folder: Path) -> list[Path]:
    """All pictures in and below a folder.

    Raises:
        DataError: If there is no such folder, or no picture in it.
    """
    try:
        return [Path(x) for x in find_in_folder(folder, IMAGE_EXTENSIONS)]
    except FileNotFoundError as error:
        raise DataError(str(error)) from error


def tell_left_out(folder: Path) -> None:
    """Print what is in a folder and is no picture that can be read."""
    others = Counter(
        x.suffix or 'no extension'
        for x in walk_files(folder)
        if x.suffix.lower() not in IMAGE_EXTENSIONS
    )
    if others:
        print(
            f'{folder} holds files that are no pictures which can be read, '
            f'and are left out: {tell(others)}'
        )


def notes_of(place: Path, sample: int = 500) -> Notes:
    """For what is wrong there; looks at the headers of some pictures."""
    report = Report(root=str(place), layout='own')
    examiner = Examiner(sample=sample, progress=False, decode=False)
    return Notes(report, str(place), examiner)


def tell_faults(notes: Notes) -> None:
    """Print what is unusual, and refuse what is wrong.

    Raises:
        DataError: For the first error; says how many more there are.
    """
    faults = notes.report.faults
    wrong = [x for x in faults if x.severity == 'error']
    if wrong:
        more = f' (and {len(wrong) - 1} more faults)' * (len(wrong) > 1)
        raise DataError(
            f'{wrong[0].line}{more}; convmae-mm data check names all that is '
            'wrong'
        )
    for fault in faults:
        print(fault.line)


def look_at_pictures(files: Sequence[Path]) -> PictureFacts:
    """Count, and read some that are spread evenly; warns of damaged ones.

    Raises:
        DataError: If none can be read.
    """
    step = max(1, len(files) // LOOKED_AT)
    some = files[::step][:LOOKED_AT]
    try:
        statistics = channel_statistics(some, 'rgb')
    except ValueError as error:
        raise DataError(str(error)) from error
    if statistics.bad:
        print(
            f'{len(statistics.bad)} of {len(some)} pictures cannot be read '
            f'whole: {statistics.bad[0]}; replace them, or remove them and '
            'their labels'
        )
    found = [header_size(str(x)) for x in some]
    sizes = [x for x in found if x is not None]  # of others it is told
    widths, heights = np.array(sizes).T
    short = np.minimum(widths, heights)
    long = np.maximum(widths, heights)
    return PictureFacts(
        count=len(files),
        long_side=int(np.median(long)),
        short_side=int(np.median(short)),
        sizes=_in_words(sizes),
        mean=tuple(round(x, 2) for x in statistics.mean),
        # pictures of one colour have none, and a division needs some
        std=tuple(max(1.0, round(x, 2)) for x in statistics.std),
        looked_at=statistics.num_images,
    )


def _in_words(sizes: Sequence[tuple[int, int]]) -> str:
    (least, most) = min(sizes), max(sizes)
    if least == most:
        return f'{least[0]} x {least[1]} px'
    return f'from {least[0]} x {least[1]} to {most[0]} x {most[1]} px'
