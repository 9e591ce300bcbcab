"""What the parts of a model say about classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.registry import MODELS

from convmae_mm.registry import find_class, walk

from .label_maps import IGNORED
from .report import Notes, Report

# Heads that count something else than the classes of the data set.
OTHER_HEADS = ('rpn', 'semantic', 'panoptic', 'proposal')


@dataclass(frozen=True)
class Head:
    """A part of a model that counts classes.

    Attributes:
        key: Its place in the config.
        cfg: Its part of the config.
        num_classes: As stated there, or its default.
    """

    key: str
    cfg: Mapping[str, Any]
    num_classes: int

    @property
    def ignored(self) -> Any:
        """The label that it ignores."""
        return self.cfg.get('ignore_index', IGNORED)

    @property
    def learns(self) -> bool:
        """Whether it is more than a preprocessor."""
        return not self.key.endswith('data_preprocessor')


def find_heads(model: Any) -> list[Head]:
    """Every part of a model that counts the classes of the data set."""
    heads = []
    for key, cfg in walk(model, 'model'):
        names = [x for x in key.split('.') if not x.isdigit()]
        if not isinstance(cfg, Mapping) or any(
            word in name for name in names for word in OTHER_HEADS
        ):
            continue
        number = cfg.get('num_classes')
        if number is None and names[-1].endswith('head') and 'type' in cfg:
            number = _default(cfg['type'])
        counts = names[-1].endswith(('head', 'data_preprocessor'))
        if isinstance(number, int) and counts:
            heads.append(Head(key, cfg, number))
    return heads


def _default(kind: Any) -> int | None:
    """``num_classes`` of a class where the config does not state it."""
    for base in getattr(find_class(MODELS, kind), '__mro__', ()):
        if '__init__' in vars(base):
            arguments = inspect.signature(base).parameters
            if 'num_classes' in arguments:
                default = arguments['num_classes'].default
                return default if isinstance(default, int) else None
    return None


def ignored_label(
    heads: Sequence[Head], report: Report, wanted: Any = None
) -> int:
    """The label that heads for label maps ignore; notes contradictions.

    Args:
        heads: With a number of classes.
        report: Where faults go.
        wanted: The label that the data set itself ignores, if it says so.
    """
    notes = Notes(report, 'model')
    for head in heads:
        label = head.ignored
        if isinstance(label, int) and (
            0 <= label < head.num_classes and label not in (IGNORED, wanted)
        ):
            notes.error(
                'ignored-class',
                f'{head.key}.ignore_index={label} is one of its '
                f'{head.num_classes} classes, which would never be learned',
                'set it to 255; if label 0 means no class, set '
                'reduce_zero_label=True in the data set instead',
            )
    learning = [x for x in heads if x.learns]
    if len({str(x.ignored) for x in learning}) > 1:
        notes.error(
            'ignored-differ',
            'the heads ignore different labels',
            'give all of them the same ignore_index',
            [f'{x.key}: {x.ignored}' for x in learning],
        )
    label = learning[0].ignored if learning else IGNORED
    return label if isinstance(label, int) else IGNORED


def check_heads(
    heads: Sequence[Head],
    classes: Sequence[str] | None,
    scope: str | None,
    report: Report,
) -> None:
    """Compare the heads with the classes of the training data."""
    notes = Notes(report, 'model')
    number = len(classes or ())
    differ = len({x.num_classes for x in heads}) > 1
    wrong = [
        x for x in heads if x.num_classes != number and (number or differ)
    ]
    stated = ', '.join(f'{x.key}.num_classes={x.num_classes}' for x in wrong)
    if wrong and classes:
        keys = ' '.join(f'{x.key}.num_classes={number}' for x in wrong)
        more = ', ...' if len(classes) > 8 else ''
        notes.error(
            'num-classes',
            f'{stated}, but the data set has {number} classes: '
            f'{", ".join(classes[:8])}{more}',
            f'set {keys} (or correct metainfo.classes)'
            f'{_background(wrong, number, scope)}',
        )
    elif wrong:
        notes.error(
            'num-classes',
            f'the heads count different classes: {stated}',
            'give all of them the same num_classes',
        )
    for head in heads:
        if head not in wrong:
            _check_weights(head, notes)


def _background(wrong: Sequence[Head], number: int, scope: str | None) -> str:
    """Whether it counts, if that may be why the numbers differ."""
    counted = {x.num_classes for x in wrong}
    if number + 1 in counted:
        if scope == 'mmdet':
            return '; no background is counted'
        return '; a background counts only if it is one of the classes'
    if scope == 'mmseg' and 1 in counted:
        sampled = any(x.cfg.get('sampler') for x in wrong)
        return (
            '; an object and its background are two classes, or '
            'num_classes=2 with out_channels=1, '
            f'loss_decode.use_sigmoid=True{" and sampler=None" * sampled}'
        )
    return ''


def _check_weights(head: Head, notes: Notes) -> None:
    """One weight for each class; softmax in mmdet has a background too."""
    allowed = (head.num_classes, head.num_classes + 1)
    for key, weights in walk(head.cfg, head.key):
        if (
            key.endswith('.class_weight')
            and isinstance(weights, (list, tuple))
            and len(weights) not in allowed
        ):
            notes.error(
                'class-weight',
                f'{key} has {len(weights)} numbers for {head.num_classes} '
                'classes',
                f'give each class one, or set {key}=None',
            )
