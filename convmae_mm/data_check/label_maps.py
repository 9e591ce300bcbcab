"""What may be wrong with label maps, and with the labels in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from convmae_mm.errors import DataError
from convmae_mm.files import regular_file

from .coco_classes import some
from .pictures import Sizes, other_sizes
from .places import in_full, list_files
from .report import Notes

# What mmseg leaves out of loss and score unless a config says otherwise.
IGNORED = 255
# mmseg keeps labels in 8 bits.
NUM_LABELS = 256


@dataclass(frozen=True)
class LabelMap:
    """What a label map file holds.

    Attributes:
        size: (width, height).
        pixels: How many have each label, by the labels that occur, ascending.
        problem: Why it is no label map; empty if it is one.
    """

    size: tuple[int, int] = (0, 0)
    pixels: Mapping[int, int] = field(default_factory=dict)
    problem: str = ''

    @property
    def values(self) -> tuple[int, ...]:
        """The labels that occur, ascending."""
        return tuple(self.pixels)


def read_labels(path: Path) -> np.ndarray:
    """(H, W), read as mmseg's ``LoadAnnotations`` does, through PIL.

    Raises:
        DataError: Why it is no label map.
    """
    try:
        with Image.open(regular_file(path)) as image:
            labels = np.asarray(image)
            mode = image.mode
    except Exception as error:  # PIL's decoders raise whatever they meet
        raise DataError(f'{type(error).__name__}: {error}') from error
    if labels.ndim != 2:
        raise DataError(
            f'{labels.shape[2]} channels (mode {mode}) instead of one label '
            'for each pixel'
        )
    if labels.dtype.kind not in 'biu':
        raise DataError(f'{labels.dtype} instead of whole numbers')
    return labels


def read_label_map(path: Path) -> LabelMap:
    """What a label map holds, or why it is none."""
    try:
        labels = read_labels(path)
    except DataError as error:
        return LabelMap(problem=str(error))
    height, width = labels.shape
    if labels.dtype == np.uint8:
        # five times as fast as sorting
        counts = np.bincount(labels.ravel())
        values = counts.nonzero()[0]
        counts = counts[values]
    else:
        values, counts = np.unique(labels, return_counts=True)
    pixels = zip(map(int, values), map(int, counts), strict=True)
    return LabelMap((width, height), dict(pixels))


@dataclass(frozen=True)
class LabelRules:
    """What the labels of a set mean.

    Args:
        num_classes: How many classes a config has; None if unknown.
        zero_is_unlabelled: Labels are 1 to ``num_classes`` and 0 is no
            class, as in ADE20K (``reduce_zero_label=True``). Otherwise they
            are 0 to ``num_classes`` - 1.
        ignored: The label, after that shift, that neither loss nor score
            counts.
        label_map: Of the data set, old labels to new ones.
        names: Of the classes, where they have names.
        scores_only: A split without some class is nothing unusual.
    """

    num_classes: int | None = None
    zero_is_unlabelled: bool = False
    ignored: int = IGNORED
    label_map: Mapping[int, int] | None = None
    names: Sequence[str] = ()
    scores_only: bool = False

    def label(self, value: int) -> int:
        """What a training makes of a value in a file."""
        if self.zero_is_unlabelled:
            # as mmseg does: 255 stays, 0 becomes it
            value = value - 1 if 0 < value < IGNORED else IGNORED
        return (self.label_map or {}).get(value, value)

    def allows(self, value: int) -> bool:
        """Whether a value in a file is a class or one that is ignored."""
        if not 0 <= value < NUM_LABELS:
            return False
        label = self.label(value)
        return label == self.ignored or label < (self.num_classes or IGNORED)

    def describe(self, labels: Iterable[int]) -> list[str]:
        """Labels with the names of their classes."""
        return [
            f'{x} ({self.names[x]!r})' if x < len(self.names) else str(x)
            for x in sorted(labels)
        ]


def read_label_maps(
    names: Sequence[str], folder: Path, image_sizes: Sizes, notes: Notes
) -> dict[str, LabelMap]:
    """Read all label maps or a sample, and note those that are none.

    Args:
        names: Of the maps, relative to the folder.
        folder: Where they are.
        image_sizes: (width, height) of the picture of some maps, by the name
            of the map.
        notes: Where faults go.

    Returns:
        The sound ones by their names.
    """
    found = notes.look(
        lambda name: read_label_map(folder / name),
        names,
        'label maps',
        'label maps read',
    )
    notes.error(
        'label-map-unreadable',
        f'{{count}} of {len(found):,} files are no label maps',
        'write PNG of one channel, whose values are the labels',
        [f'{k} ({v.problem})' for k, v in found.items() if v.problem],
    )
    maps = {k: v for k, v in found.items() if not v.problem}
    notes.error(
        'label-map-size',
        f'{{count}} of {len(maps):,} label maps have another size than '
        'their picture',
        'a label map has a value for each pixel of its picture: write it '
        'again, or resize it with nearest neighbour',
        other_sizes(
            {k: v.size for k, v in maps.items()}, image_sizes, 'picture'
        ),
    )
    return maps


def check_labels(
    maps: Mapping[str, LabelMap],
    are_all: bool,
    rules: LabelRules,
    notes: Notes,
) -> None:
    """Note labels out of range, and those that mean something else.

    Args:
        maps: By their names.
        are_all: Whether these are all of the set, or tell of all.
        rules: What the labels mean.
        notes: Where faults go.
    """
    _check_values(maps, rules, notes)
    if maps:
        used = {x for label_map in maps.values() for x in label_map.pixels}
        _check_use(used, len(maps), are_all, rules, notes)


def note_missing_maps(
    missing: Sequence[str],
    total: int,
    folder: str | Path,
    ending: str,
    notes: Notes,
) -> None:
    """Note pictures that have no label map.

    Args:
        missing: Their names, or those of their label maps.
        total: Of how many pictures.
        folder: Of the label maps.
        ending: Of their names.
        notes: Where faults go.
    """
    if not missing:
        return
    there = list_files(Path(folder)) if Path(folder).is_dir() else []
    notes.error(
        'label-map-missing',
        f'{{count}} of {total:,} pictures have no label map in '
        f'{in_full(folder)}, which holds {some(there, 3) or "none"}',
        f'a label map has the name of its picture and ends in {ending} '
        '(seg_map_suffix); correct that or the folder, add or rename the '
        'maps, or remove the pictures',
        missing,
    )


def _check_values(
    maps: Mapping[str, LabelMap], rules: LabelRules, notes: Notes
) -> None:
    values = {
        name: [x for x in label_map.pixels if not rules.allows(x)]
        for name, label_map in maps.items()
    }
    most = {name: max(x) for name, x in values.items() if x}
    told = {name: f'{name} (labels {values[name][:8]})' for name in most}
    wrong = [told[name] for name, x in most.items() if x < NUM_LABELS]
    wide = [told[name] for name, x in most.items() if x >= NUM_LABELS]
    notes.error(
        'label-map-depth',
        f'{{count}} of {len(maps):,} label maps hold labels above 255; mmseg '
        'keeps labels in 8 bits, so that 256 would become 0 and 299 43',
        'give the classes labels of 0 to 254',
        wide,
    )
    last_wrong = max((x for x in most.values() if x < NUM_LABELS), default=0)
    zero = rules.zero_is_unlabelled
    last = (rules.num_classes or IGNORED) - 1 + zero
    unlabelled = ' (0: unlabelled)' if zero else ''
    background = (
        ': a class and its background are two: write 0 and 1, name both in '
        'metainfo.classes, and set num_classes=2'
    )
    notes.error(
        'label-map-value',
        f'{{count}} of {len(maps):,} label maps hold labels outside '
        f'0 to {last}{unlabelled}, and not {rules.ignored}, which is ignored',
        'map the labels to this range, or correct num_classes (new, run: name '
        f'all --classes, or --ignore-label {last_wrong}, '
        'or --first-label 1 where 0 means unlabelled); a training '
        f'would fail at the loss{background * (rules.num_classes == 1)}',
        wrong,
    )


def _check_use(
    used: set[int], read: int, are_all: bool, rules: LabelRules, notes: Notes
) -> None:
    """Note labels that mean something else, and classes without pixels."""
    allowed = {x for x in used if rules.allows(x)}
    classes = {rules.label(x) for x in allowed} - {rules.ignored}
    number, zero = rules.num_classes, rules.zero_is_unlabelled
    if not classes and used and allowed == used:
        notes.error(
            'label-map-empty',
            f'none of {read:,} label maps has a labelled pixel: all are '
            f'{sorted(used)[:8]}',
            'check how they were written, and reduce_zero_label (new, run: '
            '--first-label and --ignore-label)',
        )
    beside = IGNORED in used and (number or 1) <= 2
    sure = are_all and not rules.scores_only
    if classes == {0} and used <= {0, IGNORED} and (beside or sure):
        notes.error(
            'label-map-255',
            '0 is the only label'
            f'{" beside 255, which is ignored," * (IGNORED in used)} in '
            f'{read:,} label maps: nothing but background would be learned',
            'write the object as 1 instead of 255, and others as 2, 3, ...; '
            'name the background and each of them as a class, and set '
            'num_classes',
        )
        return
    if not classes or number is None:
        return
    shifted = min(used) > 0 and number in used
    if not zero and shifted:
        notes.error(
            'label-map-shift',
            f'the labels are 1 to {number} instead of 0 to {number - 1}',
            'if 0 means unlabelled, set reduce_zero_label=True (data check '
            'of paths: --zero-is-unlabelled)',
        )
    if zero and 0 in used and number not in used:
        notes.warning(
            'label-map-zero',
            f'reduce_zero_label=True ignores 0, which occurs in {read:,} '
            f'label maps, and makes {number} the last class, which does not',
            'if labels count from 0, set reduce_zero_label=False (new, run: '
            '--first-label 0)',
        )
    if sure and not shifted:
        notes.warning(
            'class-unused',
            f'{{count}} of {number} classes occur in none of {read:,} label '
            'maps',
            'nothing is learned or scored about them: correct num_classes '
            '(new, run: --classes) or the labels, or add pictures',
            rules.describe(set(range(number)) - classes - {rules.ignored}),
        )
