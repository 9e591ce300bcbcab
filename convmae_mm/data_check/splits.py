"""The data sets of a config, read as a training would read them.

A *leaf* is a data set without wrappers (RepeatDataset, ConcatDataset, ...).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope

from convmae_mm.registry import find_class, type_name

from .coco_leaf import is_plain_coco, read_coco
from .json_files import uncollected
from .label_maps import IGNORED
from .leaf import Leaf, Split, refuse, transforms
from .listed_leaf import read_listed
from .loading import scores, scores_masks
from .report import Examiner, Notes, Report


def leaves(
    cfg: Mapping[str, Any], times: int | None = 1
) -> Iterator[tuple[Mapping[str, Any], int | None]]:
    """The data sets inside wrappers, and how often each is repeated.

    None stands for wrappers that choose by what they find in the data.
    """
    inner = cfg.get('datasets')
    if isinstance(inner, (list, tuple)):
        for part in inner:
            yield from leaves(part, times)
    elif isinstance(cfg.get('dataset'), Mapping):
        chooses = type_name(cfg) == 'ClassBalancedDataset'
        repeated = int(cfg.get('times', 1)) * (times or 1)
        unknown = chooses or times is None
        yield from leaves(cfg['dataset'], None if unknown else repeated)
    else:
        yield cfg, times


@dataclass(frozen=True)
class SplitReader:
    """Reads the splits of a config into a report.

    Attributes:
        report: Where counts and faults go.
        examiner: How closely to look at files.
        num_classes: Of the model's heads, where they agree.
        ignored: The label that the model's heads ignore.
    """

    report: Report
    examiner: Examiner
    num_classes: int | None = None
    ignored: int = IGNORED

    def read(
        self, name: str, loader: Mapping[str, Any], evaluator: Any
    ) -> Split:
        """Examine the data sets of a dataloader.

        Args:
            name: Of the split.
            loader: Its part of the config.
            evaluator: What scores it, if anything does.
        """
        split = Split(name, loader)
        parts = list(leaves(loader['dataset']))
        for index, (cfg, times) in enumerate(parts, 1):
            part = name if len(parts) == 1 else f'{name} {index}'
            notes = Notes(self.report, part, self.examiner)
            before = len(split.paths)
            known = self._read_leaf(split, cfg, notes, evaluator)
            added = len(split.paths) - before
            indices = cfg.get('indices')
            if isinstance(indices, int):
                added = min(added, indices)
            elif indices is not None:
                added = len(indices)
            if not known or times is None or split.length is None:
                split.length = None
            else:
                split.length += added * (times or 1)
        return split

    def _read_leaf(
        self, split: Split, cfg: Mapping[str, Any], notes: Notes, scorer: Any
    ) -> bool:
        """Whether it is known how many samples it has."""
        if not _check_palette(cfg, notes):
            return False
        if not _can_be_listed(cfg):
            notes.count(**{'data sets not looked into': 1})
            return False
        try:
            # with its paths and classes, nothing read yet
            dataset = DATASETS.build(
                {**cfg, 'pipeline': [], 'lazy_init': True}
            )
        except Exception as error:
            refuse(cfg, error, notes)
            return False
        if not _note_classes(split, dataset, cfg, notes):
            return False
        steps = list(transforms(cfg.get('pipeline')))
        labelled = scores(scorer)
        if split.name == 'train':
            labelled = 'LoadEmptyAnnotations' not in map(type_name, steps)
        masks = scores_masks(scorer) or any(x.get('with_mask') for x in steps)
        numbers = self.num_classes, self.ignored
        leaf = Leaf(cfg, dataset, split, notes, labelled, *numbers)
        if not is_plain_coco(dataset):
            return read_listed(leaf)
        with uncollected():
            read_coco(leaf, with_masks=labelled and masks)
        return True


def _note_classes(
    split: Split, dataset: Any, cfg: Mapping[str, Any], notes: Notes
) -> bool:
    """Whether the classes are a list of names, or there are none."""
    classes = dataset.metainfo.get('classes')
    if isinstance(classes, str):
        notes.error(
            'classes-text',
            f'metainfo.classes={classes!r} is one text, which is taken '
            'letter by letter',
            f'a single class needs a comma: classes=({classes!r},)',
        )
        return False
    if not classes:
        return True
    classes = tuple(classes)
    # ImageNet's own list has two cranes, which are numbered by folders
    stated = (cfg.get('metainfo') or {}).get('classes') is not None
    notes.error(
        'class-repeated',
        '{count} classes of metainfo.classes occur twice',
        'name each class once',
        [x for x, n in Counter(classes).items() if n > 1 and stated],
    )
    if split.classes not in (None, classes):
        notes.error(
            'classes-differ',
            f'its classes {classes} are not those of the other data sets '
            f'in {split.name}_dataloader, {split.classes}',
            'give all of them the same metainfo',
        )
    split.classes = split.classes or classes
    return True


def _check_palette(cfg: Mapping[str, Any], notes: Notes) -> bool:
    """Whether each class that is named has a colour, if any has."""
    metainfo = cfg.get('metainfo')
    if not isinstance(metainfo, Mapping):
        return True  # none, or what the builder refuses
    classes, palette = metainfo.get('classes'), metainfo.get('palette')
    # names of palettes are mmdet's
    if not palette or isinstance(palette, str):
        return True
    if not isinstance(classes, (list, tuple)):
        return True
    # more colours than classes are refused by mmseg alone, but for some of
    # the classes that it knows
    dataset = find_class(DATASETS, cfg.get('type'))
    own = getattr(dataset, 'METAINFO', None) or {}
    scope = DefaultScope.get_current_instance()
    more_will_do = (
        scope is None
        or scope.scope_name != 'mmseg'
        or set(classes) <= set(own.get('classes') or ())
    )
    more = len(palette) - len(classes)
    if not more or (more > 0 and more_will_do):
        return True
    notes.error(
        'palette-length',
        f'metainfo.palette has {len(palette)} colours for {len(classes)} '
        'classes',
        'give each class a colour, or leave the palette out',
    )
    return False


def _can_be_listed(cfg: Mapping[str, Any]) -> bool:
    """Whether a data set is one of the libraries' kind, or says what it has.

    One that somebody wrote from nothing may have any form, and is left to
    the rehearsal. A name that no registry has is for the builder to refuse.
    """
    found = find_class(DATASETS, cfg.get('type'))
    return not isinstance(found, type) or issubclass(found, BaseDataset)
