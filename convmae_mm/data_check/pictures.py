"""Pictures: are they there, do they decode, how large are they?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convmae_mm.datasets.image_files import IMAGE_EXTENSIONS
from convmae_mm.datasets.load_rgb_image import UndecodableImageError, read_rgb

from .examiner import Examiner
from .places import list_files, require_folder
from .report import Report


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
) -> dict[str, tuple[int, int]]:
    """Decode pictures, all or a sample, and note those that cannot be.

    Args:
        folder: What the names are relative to.
        names: Of the pictures.
        part: Name in the report.
        report: Where faults go.
        examiner: Chooses the sample.

    Returns:
        (width, height) of each picture that was decoded, upright: as a
        training sees it, after the orientation in its EXIF data is applied.
    """
    chosen = examiner.choose(names)
    results = examiner.map(
        lambda name: _size_or_reason(folder / name),
        chosen,
        f'{part}: pictures',
    )
    sizes, bad = {}, []
    for name, result in zip(chosen, results, strict=True):
        if isinstance(result, str):
            bad.append(f'{name} ({result})')
        else:
            sizes[name] = result
    report.note_examined(part, 'pictures decoded', len(chosen), len(names))
    report.add(
        'image-undecodable',
        part,
        f'{{count}} of {len(chosen):,} pictures cannot be decoded',
        'get these files again, or remove them and what refers to them',
        bad,
    )
    return sizes


def _size_or_reason(path: Path) -> tuple[int, int] | str:
    try:
        height, width = read_rgb(str(path)).shape[:2]
    except UndecodableImageError as error:
        return str(error.__cause__ or error)
    return width, height


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
        _how_to_find(missing, present),
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


def _how_to_find(missing: Sequence[str], present: Sequence[str]) -> str:
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
        if size != stated[name]
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
