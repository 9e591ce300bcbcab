"""Write one flat config that fits data of one's own and this machine."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from convmae_mm.errors import ConfigError
from convmae_mm.shipped import find_config
from convmae_mm.variants import arch_zoo

from .coco import CocoSet
from .encoder_file import Encoder
from .folders import FolderSet, Labels
from .machine import Machine
from .pictures import PictureFacts
from .recipe import (
    GRID,
    SIZES,
    STRIDES,
    TASKS,
    VALIDATIONS,
    Sizes,
    class_weights,
    detection_side,
    find_anchors,
    find_length,
)


@dataclass(frozen=True)
class Wishes:
    """What somebody may want otherwise than the data suggest.

    Attributes:
        command: That writes the config, for its first line.
        arch: Of the encoder.
        iters: Length of the training in steps.
        batch_size: Pictures a step.
        img_size: Side of the input, see :class:`.recipe.Sizes`.
        flip: Whether a mirrored picture is a picture of the same thing.
        seed: Of the training.
        validations: How often a training is scored, and saved.
    """

    command: str = 'convmae-mm new'
    arch: str = 'tiny'
    iters: int | None = None
    batch_size: int | None = None
    img_size: int | None = None
    flip: bool = True
    seed: int = 0
    validations: int = VALIDATIONS

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a number out of range."""
        for name in ('iters', 'batch_size', 'img_size', 'validations'):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = name.replace('_', '-')
                raise ConfigError(f'--{option} {value} must be at least 1')
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f'--seed {self.seed} must be 0 to {2**32 - 1}')


@dataclass(frozen=True)
class Setting:
    """What a config is written for, besides its data.

    Attributes:
        machine: That trains.
        wishes: What the data do not say.
        weights: Of an encoder to start from; None for none.
    """

    machine: Machine
    wishes: Wishes
    weights: Encoder | None = None

    @property
    def sizes(self) -> Sizes:
        """Of the arch on the machine."""
        return SIZES[self.wishes.arch, self.machine.gpu]

    @property
    def tiny(self) -> bool:
        """Whether it is the smallest arch."""
        return self.wishes.arch == 'tiny'


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template of ``configs/own_data``."""
    folder = find_config('own_data/encoder.py.jinja').parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters['repr'] = repr
    return environment.get_template(f'{template}.py.jinja').render(values)


def encoder_config(
    pictures: Path,
    facts: PictureFacts,
    setting: Setting,
) -> str:
    """A pretraining on a folder of pictures."""
    sizes, wishes, tiny = setting.sizes, setting.wishes, setting.tiny
    # Smaller pictures are not enlarged, as long as they have 64 patches.
    whole = max(4 * GRID, facts.short_side // GRID * GRID)
    side = wishes.img_size or min(sizes.pretrain, whole)
    decoder = (
        dict(embed_dims=128, depth=2, num_heads=4)
        if tiny
        else dict(embed_dims=512, depth=8, num_heads=16)
    )
    return render(
        'encoder',
        {
            **_shared('encoder', facts, setting),
            'pictures': str(pictures),
            'input_size': side,
            # A smaller part of a larger picture would have to be enlarged.
            'min_side': round(side / 0.2**0.5),
            # A crop of a hundred patches tells too little of itself through
            # a quarter of them.
            'mask_ratio': 0.6 if tiny else 0.75,
            'decoder': decoder,
            'visualizer': 'Visualizer',
            'best': '',
        },
    )


def detector_config(
    train: CocoSet,
    val: CocoSet,
    facts: PictureFacts,
    setting: Setting,
) -> str:
    """Mask R-CNN where every object has a mask, Faster R-CNN elsewhere."""
    sizes, wishes, tiny = setting.sizes, setting.wishes, setting.tiny
    boxes = train.boxes(facts.long_side)
    side = wishes.img_size or detection_side(
        facts.long_side, boxes, sizes.detect
    )
    boxes = boxes * (side / facts.long_side)
    scales, ratios = find_anchors(boxes)
    sides = np.quantile(np.sqrt(boxes.prod(axis=1)), (0.05, 0.5, 0.95))
    heights = np.quantile(boxes[:, 1] / boxes[:, 0], (0.1, 0.5, 0.9))
    masks = train.has_masks and val.has_masks
    crowded = max(train.most_objects, val.most_objects)
    proposals = min(1000, max(100, 10 * crowded))
    most_rois = 128 if tiny else 512
    rois = min(most_rois, max(32, 8 * crowded))
    return render(
        'detector',
        {
            **_shared('detector', facts, setting),
            'classes': list(zip(train.classes, train.counts, strict=True)),
            'palette': palette(len(train.classes)),
            'coco': str(train.file),
            'images': str(train.images),
            'coco_val': str(val.file),
            'val_images': str(val.images),
            'masks': masks,
            'polygons': masks and train.has_outlines and val.has_outlines,
            'metrics': ['bbox', 'segm'] if masks else ['bbox'],
            'img_size': side,
            'crop': train.extent(side, GRID),
            'anchor_scales': scales,
            'anchor_ratios': ratios,
            'strides': list(STRIDES),
            'box_sides': ', '.join(f'{x:.0f}' for x in sides),
            'box_ratios': ', '.join(f'{x:.2f}' for x in heights),
            'most_objects': crowded,
            # COCO's measure counts a hundred
            'detections': min(
                1000, max(20, min(4 * crowded, 100), 2 * crowded)
            ),
            'proposals': proposals,
            'nms_pre': min(1000, 4 * proposals),
            'width': 64 if tiny else 256,
            'fc_width': 256 if tiny else 1024,
            'rois': rois,
            # of fewer, more are to show an object
            'positive_rois': 0.25 if rois == most_rois else 0.5,
            'mask_convs': 2 if tiny else 4,
            'drop_path': 0.0 if tiny else 0.1,
            'val_batch_size': 4,
            'visualizer': 'DetLocalVisualizer',
            'best': 'coco/segm_mAP' if masks else 'coco/bbox_mAP',
        },
    )


def segmentor_config(
    labels: Labels,
    train: FolderSet,
    val: FolderSet,
    lists: tuple[Path, Path],
    facts: PictureFacts,
    setting: Setting,
) -> str:
    """UperNet on pictures with label maps."""
    sizes, wishes, tiny = setting.sizes, setting.wishes, setting.tiny
    side = wishes.img_size or min(facts.long_side, sizes.segment)
    shares = labels.shares(train)
    return render(
        'segmentor',
        {
            **_shared('segmentor', facts, setting),
            'classes': [
                (name, f'{100 * share:.2f} %')
                for name, share in zip(labels.names, shares, strict=True)
            ],
            'class_weights': class_weights(shares),
            'palette': palette(len(labels.names)),
            'ignored': labels.ignored,
            'first_label': labels.first,
            'train': _split_values(train, lists[0]),
            'val': _split_values(val, lists[1]),
            'img_size': side,
            'crop': max(GRID, min(side, sizes.crop) // GRID * GRID),
            'width': 32 if tiny else 256,
            'dropout': 0.0 if tiny else 0.1,
            'drop_path': 0.0 if tiny else 0.1,
            'visualizer': 'SegLocalVisualizer',
            'best': 'mIoU',
        },
    )


def classifier_config(
    train: FolderSet,
    val: FolderSet,
    lists: tuple[Path, Path],
    facts: PictureFacts,
    setting: Setting,
) -> str:
    """A linear classifier on the encoder's mean, both trained."""
    counts = Counter(str(x) for names in train.classes for x in names)
    return render(
        'classifier',
        {
            **_shared('classifier', facts, setting),
            'classes': sorted(counts.items()),
            'train': _split_values(train, lists[0]),
            'val': _split_values(val, lists[1]),
            'img_size': setting.wishes.img_size or setting.sizes.classify,
            'drop_path': 0.0 if setting.tiny else 0.1,
            'visualizer': 'UniversalVisualizer',
            'best': 'accuracy/top1',
        },
    )


def _split_values(split: FolderSet, names: Path) -> dict[str, str]:
    return {
        'names': str(names),
        'images': str(split.images),
        'labels': str(split.labels),
        'img_suffix': split.img_suffix,
        'label_suffix': split.label_suffix,
    }


def _shared(
    name: str, facts: PictureFacts, setting: Setting
) -> dict[str, Any]:
    """What all templates want."""
    task, sizes = TASKS[name], setting.sizes
    wishes, machine = setting.wishes, setting.machine
    batch = wishes.batch_size or sizes.batches[list(TASKS).index(name)]
    step = batch * max(1, machine.gpus)
    length = find_length(task, facts.count, step, machine.gpu, wishes.iters)
    arch = arch_zoo[wishes.arch]
    statistics = f'mean and deviation of {facts.looked_at} of them'
    mean, std = facts.mean, facts.std
    weights = setting.weights
    if weights is not None:
        statistics = 'mean and deviation that the encoder was trained with'
        mean, std = weights.mean, weights.std
    from_scratch = weights is None
    return {
        'command': wishes.command,
        'arch': wishes.arch,
        'embed_dims': list(arch.embed_dims),
        'feature_dims': [*arch.embed_dims, arch.embed_dims[2]],
        'window_blocks': (0, 2) if arch.depths[2] == 3 else None,
        'weights': None if weights is None else weights.checkpoint,
        'num_pictures': facts.count,
        'sizes': facts.sizes,
        'statistics': statistics,
        'mean': list(mean),
        'std': list(std),
        'flip': wishes.flip,
        'batch_size': batch,
        'gpus': machine.gpus,
        'workers': machine.workers,
        'amp': machine.amp,
        'lr': task.rate(wishes.arch, from_scratch),
        'beta2': task.beta2,
        # From scratch every layer has all to learn.
        'layer_decay': 0 if from_scratch else task.layer_decay[wishes.arch],
        'iters': length.iters,
        'length': length.why,
        'warmup': length.warmup,
        'val_interval': length.val_interval(wishes.validations),
        'ema_span': length.ema_span,
        'ema_momentum': round(1 / length.ema_span, 5),
        'seed': wishes.seed,
    }


def palette(count: int) -> list[tuple[int, int, int]]:
    """Colours that can be told apart, red, green and blue from 0 to 255."""
    colours = []
    for index in range(count):
        # Steps of the golden angle never meet a hue again.
        hue = (0.02 + index * 0.618034) % 1
        red, green, blue = colorsys.hsv_to_rgb(
            hue, 0.85 - 0.25 * (index % 2), 0.95
        )
        colours.append(
            (round(255 * red), round(255 * green), round(255 * blue))
        )
    return colours
