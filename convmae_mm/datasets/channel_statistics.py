"""Mean and standard deviation of each channel over a set of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from convmae_mm.errors import ConfigError, DataError

from .load_multi_channel_image import ARRAY_EXTENSIONS, read_channels
from .load_rgb_image import UndecodableImageError, read_rgb

READERS = ('auto', 'rgb', 'stored')
CV_CHANNELS = 4  # the most that OpenCV sums


@dataclass(frozen=True)
class PixelSum:
    """What is known of some pixels.

    Attributes:
        count: How many pixels.
        mean: (C,).
        scatter: (C,), sum of squared distances from the mean.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    def join(self, other: PixelSum) -> PixelSum:
        """Both together; exact, and stable where squares would cancel."""
        count = self.count + other.count
        distance = other.mean - self.mean
        mean = self.mean + distance * (other.count / count)
        between = distance**2 * (self.count * other.count / count)
        return PixelSum(count, mean, self.scatter + other.scatter + between)


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics over all pixels of the pictures that were read.

    Attributes:
        mean: One value a channel, in the units of the pixels.
        std: One value a channel.
        reader: 'rgb' or 'stored': how the pictures were read.
        num_images: How many were read.
        bad: Those that could not be, each with the reason.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    reader: str
    num_images: int
    bad: tuple[str, ...]


def sum_pixels(pixels: np.ndarray) -> PixelSum:
    """Of one picture (H, W, C)."""
    if pixels.dtype == np.uint8 and pixels.shape[-1] <= CV_CHANNELS:
        # sums of whole numbers are exact, and photos are large
        count = pixels[..., 0].size
        mean, std = (x.ravel() for x in cv2.meanStdDev(pixels))
        return PixelSum(count, mean, count * std**2)
    values = pixels.reshape(-1, pixels.shape[-1]).astype(np.float64)
    mean = values.mean(axis=0)
    return PixelSum(len(values), mean, ((values - mean) ** 2).sum(axis=0))


def choose_reader(files: Sequence[Path], channels_first: bool) -> str:
    """'stored' if all files have one channel count, other than 1 and 3.

    Arrays are always 'stored'. Ordinary pictures are 'rgb': as a training
    with ``LoadRGBImage`` sees them, also grey ones and some with alpha.
    """
    if any(file.suffix.lower() in ARRAY_EXTENSIONS for file in files):
        return 'stored'
    counts = set()
    for file in files:
        try:
            counts.add(read_channels(str(file), channels_first).shape[2])
        except UndecodableImageError:
            continue  # named when the statistics are taken
    return 'stored' if len(counts) == 1 and not counts & {1, 3} else 'rgb'


def channel_statistics(
    files: Sequence[Path],
    reader: str = 'auto',
    channels_first: bool = False,
    track: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> ChannelStatistics:
    """Read every file once.

    Args:
        files: The pictures.
        reader: 'rgb' as ``LoadRGBImage`` does, 'stored' as
            ``LoadMultiChannelImage`` does, 'auto' by their channels.
        channels_first: Whether ``.npy`` arrays are (C, H, W).
        track: Wraps the files to show progress.

    Raises:
        DataError: If no file can be read, or their channels differ.
    """
    if reader not in READERS:
        raise ConfigError(f'{reader=} must be one of {READERS}')
    if reader == 'auto':
        reader = choose_reader(files, channels_first)
    total: PixelSum | None = None
    bad = []
    for file in track(files):
        try:
            if reader == 'rgb':
                pixels = read_rgb(str(file))
            else:
                pixels = read_channels(str(file), channels_first)
        except UndecodableImageError as error:
            bad.append(str(error))
            continue
        new = sum_pixels(pixels)
        if total is not None and new.mean.shape != total.mean.shape:
            raise DataError(
                f'{file} has {len(new.mean)} channels and those before it '
                f'have {len(total.mean)}: one network takes one number of '
                'channels'
            )
        total = new if total is None else total.join(new)
    if total is None:
        raise DataError(
            f'none of {len(files)} pictures can be read'
            + (f', for example: {bad[0]}' if bad else '')
        )
    return ChannelStatistics(
        mean=tuple(total.mean.tolist()),
        std=tuple(np.sqrt(total.scatter / total.count).tolist()),
        reader=reader,
        num_images=len(files) - len(bad),
        bad=tuple(bad),
    )
