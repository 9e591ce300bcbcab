"""The data sets of a config, read as a training would read them.

A *leaf* is a data set without wrappers (RepeatDataset, ConcatDataset, ...).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope

from convmae_mm.registry import type_name

from .class_folders import subfolders
from .coco_file import ExpectedClasses, check_coco, kept
from .detection import read_annotations
from .examiner import Examiner
from .json_files import uncollected
from .label_maps import IGNORED, LabelRules, check_label_maps
from .pictures import Load, check_sizes, how_to_find, measure
from .places import how_to_place, list_files
from .report import Report


@dataclass
class Split:
    """What the data of one dataloader turned out to be.

    Attributes:
        name: 'train', 'val' or 'test'.
        loader: Its part of the config.
        classes: Of its data sets; None where they have none.
        folders: Class folders in the order of their labels, where labels
            come from folders.
        ann_files: COCO files that were read.
        image_ids: Of these files.
        paths: Of the pictures that are kept.
        length: How many samples an epoch has; None if unknown.
    """

    name: str
    loader: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    folders: list[str] | None = None
    ann_files: list[str] = field(default_factory=list)
    image_ids: set[Any] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    length: int | None = 0


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


class SplitReader:
    """Reads the splits of a config into a report.

    Args:
        report: Where counts and faults go.
        examiner: How closely to look at files.
        num_classes: Of the model's heads, where they agree.
        ignored: The label that the model's heads ignore.
    """

    def __init__(
        self,
        report: Report,
        examiner: Examiner,
        num_classes: int | None = None,
        ignored: int = IGNORED,
    ) -> None:
        self.report = report
        self.examiner = examiner
        self.num_classes = num_classes
        self.ignored = ignored

    def read(
        self,
        name: str,
        loader: Mapping[str, Any],
        with_masks: bool,
        scored: bool = True,
    ) -> Split:
        """Examine the data sets of a dataloader.

        Args:
            name: Of the split.
            loader: Its part of the config.
            with_masks: Whether the evaluator scores masks.
            scored: Whether anything is scored.
        """
        split = Split(name, loader)
        parts = list(leaves(loader['dataset']))
        for index, (cfg, times) in enumerate(parts, 1):
            part = name if len(parts) == 1 else f'{name} {index}'
            before = len(split.paths)
            if not self._check_palette(part, cfg):
                split.length = None
                continue
            if not _can_be_listed(cfg):
                self.report.note(part, **{'data sets not looked into': 1})
                split.length = None
                continue
            try:
                dataset = _build_unread(cfg)
            except Exception as error:
                self._refuse(part, cfg, error)
                split.length = None
                continue
            if not self._note_classes(split, part, dataset, cfg):
                split.length = None
                continue
            pipeline = cfg.get('pipeline')
            labelled = scored
            if name == 'train':
                labelled = not any(
                    type_name(x) == 'LoadEmptyAnnotations'
                    for x in _transforms(pipeline)
                )
            masks = labelled and (with_masks or _loads_masks(pipeline))
            if _is_plain_coco(dataset):
                with uncollected():
                    self._read_coco(split, part, dataset, cfg, masks, labelled)
            else:
                self._read_listed(split, part, dataset, cfg, labelled)
            if times is None:
                split.length = None
            added = len(split.paths) - before
            indices = cfg.get('indices')
            if isinstance(indices, int):
                added = min(added, indices)
            elif indices is not None:
                added = len(indices)
            if split.length is not None:
                split.length += added * (times or 1)
        return split

    def _refuse(
        self, part: str, cfg: Mapping[str, Any], error: Exception
    ) -> None:
        """Note why a data set cannot be built or listed."""
        words = ' '.join(str(error).split()) or type(error).__name__
        remedy = 'correct its settings'
        missing = getattr(error, 'filename', None)
        if isinstance(missing, str):
            root = cfg.get('data_root') or '.'
            words = f'{missing} (= {os.path.abspath(missing)}) does not exist'
            remedy = how_to_place(Path(missing), Path(root))
        kind = type_name(cfg)
        self.report.add(
            'dataset-unreadable', part, f'{kind} cannot be read: {words}',
            remedy,
        )  # fmt: skip

    def _note_classes(
        self, split: Split, part: str, dataset: Any, cfg: Mapping[str, Any]
    ) -> bool:
        """Whether the classes are a list of names, or there are none."""
        classes = dataset.metainfo.get('classes')
        if isinstance(classes, str):
            self.report.add(
                'classes-text',
                part,
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
        self.report.add(
            'class-repeated',
            part,
            '{count} classes of metainfo.classes occur twice',
            'name each class once',
            [x for x, n in Counter(classes).items() if n > 1 and stated],
        )
        if split.classes not in (None, classes):
            self.report.add(
                'classes-differ',
                part,
                f'its classes {classes} are not those of the other data sets '
                f'in {split.name}_dataloader, {split.classes}',
                'give all of them the same metainfo',
            )
        split.classes = split.classes or classes
        return True

    def _check_palette(self, part: str, cfg: Mapping[str, Any]) -> bool:
        """Whether each class that is named has a colour, if any has."""
        metainfo = cfg.get('metainfo') or {}
        classes, palette = metainfo.get('classes'), metainfo.get('palette')
        if not isinstance(classes, (list, tuple)) or not palette:
            return True
        # names of palettes are mmdet's; more colours than classes are refused
        # by mmseg alone, but for some of the classes that it knows
        more = len(palette) > len(classes) and (
            not _in_mmseg() or _are_some(classes, cfg)
        )
        if isinstance(palette, str) or len(palette) == len(classes) or more:
            return True
        self.report.add(
            'palette-length',
            part,
            f'metainfo.palette has {len(palette)} colours for '
            f'{len(classes)} classes',
            'give each class a colour, or leave the palette out',
        )
        return False

    def _read_coco(
        self,
        split: Split,
        part: str,
        dataset: Any,
        cfg: Mapping[str, Any],
        with_masks: bool,
        labelled: bool,
    ) -> None:
        report, root = self.report, Path(cfg.get('data_root') or '.')
        ann_file = Path(dataset.ann_file)
        split.ann_files.append(str(ann_file))
        data = read_annotations(ann_file, root, part, report)
        if data is None:
            return
        classes = dataset.metainfo.get('classes') or ()
        expected = ExpectedClasses(classes)
        # pictures alone, such as COCO's test-dev: fine for predictions
        bare = split.name == 'test' and not _annotations(data)
        content = check_coco(
            data,
            part,
            report,
            expected,
            with_masks,
            learned=split.name == 'train',
            labelled=labelled and not bare,
        )
        if bare and labelled and content is not None:
            report.add(
                'no-annotations',
                part,
                f'{len(content.images):,} images without a single annotation',
                'nothing can be scored: is this the right file?',
                severity='warning',
            )
        if content is None:
            return
        report.facts.pop(part)
        named = {'category-missing', 'field-missing', 'no-annotations'}
        explained = bare or any(
            x.part == part and x.code in named for x in report.faults
        )
        filters = None if dataset.test_mode else dataset.filter_cfg
        pictures, objects = kept(content, classes, filters, part, report)
        if not (pictures and (objects or not labelled)) and not explained:
            what = 'object' if pictures else 'picture'
            counts = report.facts[part]
            reasons = [
                f'{count:,} {reason}'
                for reason, count in counts.items()
                if 'left out' in reason
            ]
            report.add(
                'nothing-kept',
                part,
                f'of {counts["pictures found"]:,} pictures and '
                f'{counts["objects found"]:,} objects no {what} is left: '
                f'{", ".join(reasons) or "there are none"}',
                f'compare metainfo.classes={tuple(classes)} with the '
                'categories of the file, and filter_cfg with the pictures',
            )
        split.image_ids |= {x['id'] for x in content.images}
        report.add(
            'picture-prefix',
            part,
            f'data_prefix={dict(dataset.data_prefix)} has no img',
            "set data_prefix=dict(img='FOLDER/'), relative to data_root",
            [] if 'img' in dataset.data_prefix else [''],
        )
        prefix = dataset.data_prefix.get('img', '')
        stated = {
            os.path.join(prefix, x['file_name']): (x['width'], x['height'])
            for x in content.images
        }
        paths = self._existing(list(stated), prefix, part, root)
        split.paths += paths[: pictures or None]
        sizes = self._measure(paths, part, cfg)
        check_sizes(stated, sizes, part, report)

    def _read_listed(
        self,
        split: Split,
        part: str,
        dataset: Any,
        cfg: Mapping[str, Any],
        labelled: bool,
    ) -> None:
        """Any other data set, through what it lists itself."""
        if not self._check_folders(split, part, dataset):
            return
        dataset.serialize_data = False
        try:
            dataset.full_init()
        except Exception as error:
            self._refuse(part, cfg, error)
            split.length = None
            return
        if hasattr(dataset, 'folder_to_idx') and not split.classes:
            split.classes = tuple(dataset.metainfo.get('classes') or ())
        items = getattr(dataset, 'data_list', None)
        if not isinstance(items, list):
            split.length = None
            return
        objects = [y for x in items for y in x.get('instances', ())]
        counts = {'pictures kept': len(items)}
        if objects:
            counts['objects kept'] = len(objects)
        self.report.note(part, **counts)
        prefix = dataset.data_prefix.get('img_path') or ''
        if not items:
            self._nothing_listed(part, dataset, prefix)
            return
        named = [x['img_path'] for x in items if 'img_path' in x]
        root = Path(cfg.get('data_root') or '.')
        paths = self._existing(named, prefix, part, root)
        split.paths += paths or [''] * len(items)
        self._check_labels(split, part, items, objects)
        sizes = self._measure(paths, part, cfg)
        if hasattr(dataset, 'seg_map_suffix'):
            self._check_suffixes(part, dataset, prefix, len(items))
            if not labelled or 'seg_map_path' not in items[0]:
                return
            self._check_maps(split, part, dataset, items, sizes, cfg)

    def _existing(
        self, paths: Sequence[str], prefix: str, part: str, root: Path
    ) -> list[str]:
        """The pictures that exist; notes the others."""
        missing = set(not_there(paths))
        if not missing:
            return list(paths)
        if prefix and not os.path.isdir(prefix):
            self.report.add(
                'image-folder-missing',
                part,
                f'the folder {prefix} (= {os.path.abspath(prefix)}) does '
                'not exist',
                how_to_place(Path(prefix), root),
            )
            return []
        there = list_files(Path(prefix)) if prefix else []
        names = [os.path.relpath(x, prefix or '.') for x in sorted(missing)]
        self.report.add(
            'image-missing',
            part,
            f'{{count}} of {len(paths):,} pictures that the annotations list '
            f'do not exist in {prefix or "."}',
            how_to_find(names, there),
            names,
        )
        return [x for x in paths if x not in missing]

    def _measure(
        self, paths: Sequence[str], part: str, cfg: Mapping[str, Any]
    ) -> dict[str, tuple[int, int]]:
        local = [x for x in paths if '://' not in x]
        return measure(
            Path(), local, part, self.report, self.examiner, _loader(cfg)
        )

    def _nothing_listed(self, part: str, dataset: Any, prefix: str) -> None:
        suffix = getattr(dataset, 'img_suffix', None)
        files = list_files(Path(prefix)) if os.path.isdir(prefix) else []
        found = Counter(os.path.splitext(x)[1] for x in files)
        seen = ', '.join(f'{n:,} that end in {x}' for x, n in found.items())
        wanted = f' that ends in {suffix}' if suffix else ''
        remedy = f"set img_suffix='{next(iter(found))}'" if found else (
            'correct data_root and data_prefix, or put pictures there'
        )  # fmt: skip
        self.report.add(
            'nothing-kept',
            part,
            f'no picture{wanted} is in {prefix} (= '
            f'{os.path.abspath(prefix)}); it holds {seen or "no picture"}',
            remedy,
        )

    def _check_labels(
        self,
        split: Split,
        part: str,
        items: Sequence[Mapping[str, Any]],
        objects: Sequence[Mapping[str, Any]],
    ) -> None:
        if objects:
            labels = [x.get('bbox_label') for x in objects]
        elif 'gt_label' in items[0]:
            given = [x['gt_label'] for x in items]
            labels = [y for x in given for y in np.ravel(x).tolist()]
        else:
            return
        number = len(split.classes or ()) or self.num_classes
        used = Counter(int(x) for x in labels if x is not None)
        if not number:
            return
        self.report.add(
            'label-range',
            part,
            f'{sum(n for x, n in used.items() if not 0 <= x < number):,} of '
            f'{len(labels):,} labels are outside 0 to {number - 1}',
            'correct the labels, or the classes and num_classes',
            sorted(x for x in used if not 0 <= x < number),
        )
        names = split.classes or range(number)
        if split.name == 'train':
            self.report.add(
                'class-unused',
                part,
                f'{{count}} of {number} classes never occur',
                'nothing will be learned about them: expected in a small '
                'split; otherwise compare the spelling with the annotations',
                [repr(x) for i, x in enumerate(names) if i not in used],
                severity='warning',
            )

    def _check_folders(self, split: Split, part: str, dataset: Any) -> bool:
        """Whether class folders can be numbered as the config names them."""
        if (
            not hasattr(dataset, 'extensions')
            or getattr(dataset, 'ann_file', None)
            or not getattr(dataset, 'with_label', False)
            or not os.path.isdir(dataset.img_prefix)
        ):
            return True
        folders = subfolders(Path(dataset.img_prefix))
        split.folders = folders
        classes = split.classes or ()
        if classes and len(classes) != len(folders):
            odd = sorted(set(classes) ^ set(folders))
            self.report.add(
                'class-count',
                part,
                f'{len(folders)} class folders in {dataset.img_prefix} for '
                f'{len(classes)} classes of the config; in one of them only: '
                f'{odd[:8]}',
                'every class needs its folder, which may be empty, and '
                'nothing else may be one',
            )
            return False
        moved = [
            f'{name!r} is class {i}, its folder number {folders.index(name)}'
            for i, name in enumerate(classes)
            if name in folders and folders[i] != name
        ]
        self.report.add(
            'class-order',
            part,
            '{count} classes of metainfo.classes stand at another place than '
            'their folders, which are numbered by the alphabet: names would '
            'be swapped',
            f'set classes={tuple(folders)}',
            moved,
        )
        return not moved

    def _check_suffixes(
        self, part: str, dataset: Any, prefix: str, read: int
    ) -> None:
        """Pictures of another suffix are passed over without a word."""
        if getattr(dataset, 'ann_file', None) and os.path.isfile(
            dataset.ann_file
        ):
            return
        files = list_files(Path(prefix)) if os.path.isdir(prefix) else []
        others = [x for x in files if not x.endswith(dataset.img_suffix)]
        if others:
            found = {'pictures found': len(files), 'pictures kept': read}
            found['pictures left out (another suffix)'] = len(others)
            self.report.note(part, **found)
        self.report.add(
            'image-suffix',
            part,
            f'{{count}} of {len(files):,} pictures in {prefix} do not end in '
            f'{dataset.img_suffix} (img_suffix) and are left out',
            'rename or convert them, or join two data sets with ConcatDataset',
            others,
            severity='warning',
        )

    def _check_maps(
        self,
        split: Split,
        part: str,
        dataset: Any,
        items: Sequence[Mapping[str, Any]],
        sizes: Mapping[str, tuple[int, int]],
        cfg: Mapping[str, Any],
    ) -> None:
        picture = {x['seg_map_path']: x['img_path'] for x in items}
        missing = set(not_there(list(picture)))
        folder = dataset.data_prefix.get('seg_map_path') or '.'
        suffix = dataset.seg_map_suffix
        if missing:
            there = list_files(Path(folder)) if os.path.isdir(folder) else []
            self.report.add(
                'label-map-missing',
                part,
                f'{{count}} of {len(picture):,} pictures have no label map '
                f'in {folder} (= {os.path.abspath(folder)}), which holds '
                f'{", ".join(there[:3]) or "none"}',
                f'a label map has the name of its picture and ends in '
                f'{suffix} (seg_map_suffix); correct that or data_prefix, or '
                'add the maps',
                sorted(os.path.relpath(x, folder) for x in missing),
            )
        for load in _transforms(cfg.get('pipeline')):
            stated = load.get('reduce_zero_label')
            if stated not in (None, dataset.reduce_zero_label):
                self.report.add(
                    'reduce-zero-label',
                    part,
                    f'the pipeline says reduce_zero_label={stated}, the data '
                    f'set {dataset.reduce_zero_label}',
                    'set it in the data set, and leave it out of '
                    'LoadAnnotations',
                )
        check_label_maps(
            [x for x in picture if x not in missing and '://' not in x],
            Path(),
            {x: sizes[p] for x, p in picture.items() if p in sizes},
            LabelRules(
                num_classes=len(split.classes or ()) or self.num_classes,
                zero_is_unlabelled=dataset.reduce_zero_label,
                ignored=self.ignored,
                label_map=dataset.label_map,
                names=split.classes or (),
                scores_only=split.name != 'train',
            ),
            part,
            self.report,
            self.examiner,
        )


def not_there(paths: Sequence[str]) -> list[str]:
    """Local files that do not exist; lists each folder once."""
    there: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        if '://' in path:
            continue
        folder, name = os.path.split(path)
        if folder not in there:
            is_folder = os.path.isdir(folder or '.')
            there[folder] = set(os.listdir(folder or '.') if is_folder else ())
        if name not in there[folder]:
            missing.append(path)
    return missing


def _in_mmseg() -> bool:
    scope = DefaultScope.get_current_instance()
    return scope is not None and scope.scope_name == 'mmseg'


def _are_some(classes: Sequence[str], cfg: Mapping[str, Any]) -> bool:
    """Whether classes are among those that a data set has of its own."""
    kind = cfg.get('type')
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    own = (getattr(kind, 'METAINFO', None) or {}).get('classes') or ()
    return set(classes) <= set(own)


def _build_unread(cfg: Mapping[str, Any]) -> Any:
    """The data set with its paths and classes, nothing read yet."""
    settings = {**cfg, 'pipeline': [], 'lazy_init': True}
    return DATASETS.build(settings)


def _can_be_listed(cfg: Mapping[str, Any]) -> bool:
    """Whether a data set is one of the libraries' kind, or says what it has.

    One that somebody wrote from nothing may have any form, and is left to
    the rehearsal. A name that no registry has is for the builder to refuse.
    """
    kind = cfg.get('type')
    with DATASETS.switch_scope_and_registry(None) as registry:
        found = registry.get(kind) if isinstance(kind, str) else kind
    return not isinstance(found, type) or issubclass(found, BaseDataset)


def _is_plain_coco(dataset: Any) -> bool:
    """Whether mmdet's own ``CocoDataset`` decides what is read."""
    methods = ('load_data_list', 'parse_data_info', 'filter_data')
    return all(
        getattr(type(dataset), name).__module__ == 'mmdet.datasets.coco'
        for name in methods
    )


def _transforms(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """The transforms of a pipeline, also those inside others."""
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            yield pipeline
        for value in pipeline.values():
            yield from _transforms(value)
    elif isinstance(pipeline, (list, tuple)):
        for value in pipeline:
            yield from _transforms(value)


def _loads_masks(pipeline: Any) -> bool:
    return any(x.get('with_mask') for x in _transforms(pipeline))


def _loader(cfg: Mapping[str, Any]) -> Load | None:
    """How the config reads a picture: the first step of its pipeline."""
    first = next(_transforms(cfg.get('pipeline')), None)
    if first is None or not type_name(first).startswith('Load'):
        return None
    try:
        transform: Callable[[dict[str, Any]], Any] = TRANSFORMS.build(
            dict(first)
        )
    except Exception:  # the runner says what is wrong with its settings
        return None
    return lambda path: transform({'img_path': path})['img']


def _annotations(data: Any) -> Any:
    """Those of a COCO file's content; True if it is none."""
    if not isinstance(data, Mapping) or 'images' not in data:
        return True
    return data.get('annotations')
