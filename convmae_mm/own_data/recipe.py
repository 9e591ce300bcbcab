"""How to train on data of one's own: sizes, rates, lengths.

Measured with the encoder 'tiny' on CPUs; for 'small' and 'base' the rates of
the published recipes, scaled to these batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

ARCHS = ('tiny', 'small', 'base')
STRIDES = (4, 8, 16, 32, 64)
# How often a training is scored, the end included.
VALIDATIONS = 5
GRID = 32  # pixels; inputs are multiples of it


@dataclass(frozen=True)
class Sizes:
    """Largest inputs in pixels, and pictures in a batch, of one arch.

    Attributes:
        pretrain: Side of a crop in pretraining.
        detect: Longer side of a picture in detection.
        segment: Longer side of a picture in segmentation. More detail costs
            more than it brings: streets of 480 px learnt faster at 320.
        crop: Side of what a step sees of that.
        classify: Side of a picture in classification.
        batches: Pictures a step in these four, in this order.
    """

    pretrain: int
    detect: int
    segment: int
    crop: int
    classify: int
    batches: tuple[int, int, int, int]


# By arch and whether there is a GPU.
SIZES = {
    ('tiny', False): Sizes(160, 320, 320, 256, 128, (16, 4, 8, 32)),
    ('small', False): Sizes(160, 320, 320, 256, 160, (16, 4, 8, 32)),
    ('base', False): Sizes(160, 320, 320, 256, 160, (16, 4, 8, 32)),
    ('tiny', True): Sizes(224, 640, 1024, 512, 224, (64, 8, 8, 64)),
    ('small', True): Sizes(224, 800, 1024, 512, 224, (64, 8, 8, 64)),
    ('base', True): Sizes(224, 1024, 1024, 512, 224, (64, 4, 8, 64)),
}


@dataclass(frozen=True)
class Task:
    """How long and how fast one kind of network learns.

    Attributes:
        epochs: How often each picture is seen.
        least: Fewest pictures that a training takes in.
        most: Most of them without and with a GPU.
        rates: Learning rate of each arch.
        layer_decay: Factor of each arch from layer to layer towards the
            input, 0 for none.
        beta2: Of AdamW.
        scratch_rates: Learning rate of an arch without a pretrained encoder,
            where it is another.
    """

    epochs: int
    least: int
    most: tuple[int, int]
    rates: dict[str, float]
    layer_decay: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(ARCHS, 0.75)
    )
    beta2: float = 0.999
    scratch_rates: dict[str, float] = field(default_factory=dict)

    def rate(self, arch: str, from_scratch: bool) -> float:
        """Learning rate of the layers that begin at the output."""
        if from_scratch:
            return self.scratch_rates.get(arch, self.rates[arch])
        return self.rates[arch]


TASKS = {
    'encoder': Task(
        epochs=200,
        least=8_000,
        most=(20_000, 2_000_000),
        # With twice that, the blocks of stage 3 of 'tiny' add one constant to
        # all tokens after some hundred steps; the loss does not show it.
        rates={'tiny': 8e-4, 'small': 3e-4, 'base': 1.5e-4},
        layer_decay=dict.fromkeys(ARCHS, 0),
        beta2=0.95,
    ),
    'detector': Task(
        epochs=40,
        least=4_000,
        most=(12_000, 1_400_000),
        rates={'tiny': 1.5e-3, 'small': 4e-4, 'base': 2e-4},
        layer_decay={'tiny': 0.85, 'small': 0.75, 'base': 0.75},
    ),
    'segmentor': Task(
        epochs=40,
        least=4_000,
        most=(16_000, 1_400_000),
        # The head wants that much, and a pretrained encoder the decay: 2e-3,
        # or 6e-3 with 0.75, end lower. From scratch 4e-3 is too much.
        rates={'tiny': 4e-3, 'small': 4e-4, 'base': 2e-4},
        layer_decay={'tiny': 0.85, 'small': 0.75, 'base': 0.75},
        scratch_rates={'tiny': 2e-3},
    ),
    'classifier': Task(
        epochs=60,
        least=6_000,
        most=(60_000, 10_000_000),
        rates={'tiny': 1.5e-3, 'small': 5e-4, 'base': 3e-4},
    ),
}


@dataclass(frozen=True)
class Length:
    """How long to train.

    Attributes:
        iters: Steps.
        why: In words.
    """

    iters: int
    why: str

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises."""
        return max(1, self.iters // 20)

    def val_interval(self, validations: int) -> int:
        """Steps between so many of them; the last one ends the training."""
        return max(1, -(-self.iters // validations))

    @property
    def ema_span(self) -> int:
        """Steps that the kept average looks back."""
        return max(10, self.iters // 20)


def find_length(
    task: Task, pictures: int, batch: int, gpu: bool, iters: int | None
) -> Length:
    """From the number of pictures, unless ``iters`` is given."""
    if iters is not None:
        seen = iters * batch / pictures
        return Length(iters, f'each picture {seen:.0f} times, as asked for')
    wanted = task.epochs * pictures
    total = min(max(wanted, task.least), task.most[gpu])
    why = f'each picture {total / pictures:.0f} times'
    if total != wanted:
        bound = 'the least' if total > wanted else 'the most'
        why += f': {total:,} in all, {bound} without another wish'
    return Length(max(1, round(total / batch)), why)


def detection_side(long_side: int, boxes: np.ndarray, most: int) -> int:
    """Longer side of the pictures that a detector sees.

    Args:
        long_side: Of the pictures as they are.
        boxes: (N, 2), widths and heights in pictures of that size.
        most: What the arch and the machine bear.
    """
    # A quarter of the objects may be smaller than twelve pixels; for fewer,
    # larger pictures, but not beyond one and a half times what is borne.
    small = float(np.quantile(np.sqrt(boxes.prod(axis=1)), 0.25))
    needed = 12 * long_side / max(small, 1)
    side = min(long_side, max(most, min(needed, 1.5 * most)))
    return max(GRID, round(side / GRID) * GRID)


def find_anchors(boxes: np.ndarray) -> tuple[list[float], list[float]]:
    """Scales and ratios of the anchors that cover the boxes.

    Args:
        boxes: (N, 2), widths and heights as the network sees them.

    Returns:
        Sides as multiples of the stride, and heights over widths.
    """
    sides = np.sqrt(boxes.prod(axis=1))
    low, high = np.quantile(sides, (0.05, 0.95))
    first = float(np.clip(low / STRIDES[0], 2, 8))
    scales = [first]
    # one more octave half where the largest anchor is far from the largest
    if high > 1.5 * first * STRIDES[-1]:
        scales.append(first * float(high / (first * STRIDES[-1])))
    low, middle, high = np.quantile(boxes[:, 1] / boxes[:, 0], (0.1, 0.5, 0.9))
    # Three, also for boxes of one form: mmdet fails where a map of one place
    # has one anchor.
    ratios = min(low, middle / 1.2), middle, max(high, middle * 1.2)
    return [round(x, 1) for x in scales], [round(float(x), 2) for x in ratios]


def class_weights(shares: Sequence[float]) -> list[float]:
    """What a pixel of each class counts in the loss of a segmentor.

    A class counts by its share to the power of -0.5. Where one class covers
    more than half, as a background does, the others are mistaken for it
    rather than for each other, and too large a weight makes it be taken for
    them: then the power is what that class leaves.

    Args:
        shares: Of the labelled pixels, what each class has.

    Returns:
        Weights with a mean of one over all pixels. Below a thousandth a
        class is taken for one of a thousandth.
    """
    power = min(0.5, 1 - max(shares))
    weights = np.maximum(shares, 1e-3) ** -power
    weights /= weights @ shares
    return [round(float(x), 3) for x in weights]
