"""Predict on everything that was found, and write it down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from convmae_mm.apis.loaded_model import LoadedModel, chunked
from convmae_mm.apis.progress import follow
from convmae_mm.datasets.load_rgb_image import UndecodableImageError
from convmae_mm.errors import ConfigError

from .objects import from_sample, merge_tiles
from .sources import Source
from .tiles import merge_label_maps, tile_boxes
from .writers import (
    DRAWN,
    FRAME,
    ClassWriter,
    LabelMapWriter,
    ObjectWriter,
    VideoWriter,
    Writer,
    save_picture,
)


@dataclass(frozen=True)
class Tiling:
    """Cut pictures into tiles.

    Attributes:
        size: Height and width of a tile in pixels.
        overlap: Share of a tile that the next one sees too.
    """

    size: tuple[int, int]
    overlap: float = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of the sources.

    Attributes:
        predicted: Pictures with a result; each frame of a video is one.
        failed: What is wrong with those that have none.
        files: What was written.
    """

    predicted: int
    failed: list[str]
    files: list[Path]


@dataclass(frozen=True)
class Item:
    """A picture to predict.

    Attributes:
        source: The file.
        name: Of the picture; of a frame the file's, #, and its number.
        read: As :meth:`LoadedModel.read` gives it; None if it failed.
        error: What is wrong, if it failed.
    """

    source: Source
    name: str
    read: dict[str, Any] | None
    error: str = ''


def predict_files(
    model: LoadedModel,
    sources: Sequence[Source],
    out: Path,
    *,
    score: float | None = None,
    batch_size: int | None = None,
    tiling: Tiling | None = None,
    pictures: bool = True,
    every: int = 1,
) -> Outcome:
    """Predict and write: see :mod:`convmae_mm.predict.writers`.

    Files that cannot be decoded are told in the outcome; the rest goes on.

    Args:
        model: From :func:`convmae_mm.load`.
        sources: From :func:`convmae_mm.predict.find_sources`.
        out: Folder to write into.
        score: Leave out objects below; of detectors only.
        batch_size: By default that of the config's test.
        tiling: Cut pictures into tiles; not for classifiers.
        pictures: Whether to draw.
        every: Of a video, take every so manieth frame.

    Raises:
        ConfigError: If an option cannot act.
    """
    _check(model, score, batch_size, tiling, every)
    writer = _writer(model, out, score)
    size = batch_size or model.batch_size
    files = _Drawings(out, every)
    failed: list[str] = []
    predicted = 0
    items = _read_all(model, sources, every)
    total = sum(_length(x, every) for x in sources)
    for batch in _batches(
        model, follow(items, total, 'predict'), size, tiling
    ):
        failed += [item.error for item in batch if item.read is None]
        good = [item for item in batch if item.read is not None]
        for item, found in zip(
            good, _predict(model, good, size, tiling), strict=True
        ):
            assert item.read is not None
            shape = item.read['img'].shape
            shown = model.show(item.read) if pictures else None
            drawn = writer.add(item.name, shape[:2], found, shown)
            if drawn is not None:
                files.add(item, drawn)
            predicted += 1
    files.close()
    written = writer.finish()
    if pictures and predicted:
        written.append(out / DRAWN)
    return Outcome(predicted, failed, written)


def _check(
    model: LoadedModel,
    score: float | None,
    batch_size: int | None,
    tiling: Tiling | None,
    every: int,
) -> None:
    if model.task not in ('detector', 'segmentor', 'classifier'):
        raise ConfigError(
            f'{model.path} is a {model.task} network, which predicts nothing '
            'by itself: `convmae-mm reconstruct` and `convmae-mm embed` show '
            'what it has learned'
        )
    if score is not None and model.task != 'detector':
        raise ConfigError(
            f'--score {score} chooses objects, and {model.path} is a '
            f'{model.task}'
        )
    if score is not None and not 0 <= score <= 1:
        raise ConfigError(f'--score {score} must be from 0 to 1')
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f'--batch-size {batch_size} must be at least 1')
    if every < 1:
        raise ConfigError(f'--every {every} must be at least 1')
    if tiling is not None:
        if model.task == 'classifier':
            raise ConfigError(
                '--tile cuts pictures for detectors and segmentors; '
                f'{model.path} is a classifier, which takes whole ones'
            )
        tile_boxes((1, 1), tiling.size, tiling.overlap)


def _writer(model: LoadedModel, out: Path, score: float | None) -> Writer:
    if model.task == 'detector':
        return ObjectWriter(out, model.classes, model.palette, score)
    if model.task == 'segmentor':
        return LabelMapWriter(out, model.classes, model.palette)
    return ClassWriter(out, model.classes)


def _read_all(
    model: LoadedModel, sources: Iterable[Source], every: int
) -> Iterator[Item]:
    for source in sources:
        if source.is_video:
            yield from _frames(model, source, every)
            continue
        try:
            read = model.read(source.path)
        except UndecodableImageError as error:
            yield Item(source, source.name, None, str(error))
        else:
            yield Item(source, source.name, read)


def _frames(model: LoadedModel, source: Source, every: int) -> Iterator[Item]:
    if not model.reads_rgb:
        raise ConfigError(
            f'{source.path} is a video of three colours, and {model.path} '
            'takes other channels'
        )
    video = cv2.VideoCapture(str(source.path))
    number = 0
    while video.grab():
        if number % every == 0:
            good, frame = video.retrieve()
            name = f'{source.name}{FRAME}{number:06d}'
            if good:
                picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                yield Item(source, name, model.read(picture))
            else:
                yield Item(source, name, None, f'cannot decode {name}')
        number += 1
    declared = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    if number == 0 or number < declared * 0.98:
        yield Item(
            source,
            source.name,
            None,
            f'cannot decode {source.path}: {number} of {declared} frames '
            'could be read',
        )


def _length(source: Source, every: int) -> int:
    """Pictures in a source, as far as its header knows."""
    if not source.is_video:
        return 1
    video = cv2.VideoCapture(str(source.path))
    frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return max(1, -(-frames // every))


def _batches(
    model: LoadedModel,
    items: Iterable[Item],
    size: int,
    tiling: Tiling | None,
) -> Iterator[list[Item]]:
    """What goes through the network together, or is cut into tiles."""
    if tiling is not None:
        return chunked(items, 1)
    return chunked(items, size)


def _predict(
    model: LoadedModel,
    items: Sequence[Item],
    size: int,
    tiling: Tiling | None,
) -> list[Any]:
    pictures = [item.read for item in items if item.read is not None]
    if tiling is not None:
        return [_predict_tiles(model, x, size, tiling) for x in pictures]
    if not pictures:
        return []
    samples = model.predict_read(pictures)
    if model.task == 'detector':
        return [from_sample(sample) for sample in samples]
    if model.task == 'segmentor':
        return [label_map(sample) for sample in samples]
    return [sample.pred_score.numpy() for sample in samples]


def _predict_tiles(
    model: LoadedModel, read: dict[str, Any], size: int, tiling: Tiling
) -> Any:
    whole = read['img'].shape[:2]
    tiles = tile_boxes(whole, tiling.size, tiling.overlap)
    scale = model.tile_scale(tiling.size)
    samples = [
        sample
        for batch in chunked(tiles, size)
        for sample in model.predict_read(
            [model.crop(read, tile) for tile in batch], scale
        )
    ]
    if model.task == 'detector':
        parts = [
            from_sample(sample, tile[:2], whole)
            for sample, tile in zip(samples, tiles, strict=True)
        ]
        return merge_tiles(parts, tiles)
    return merge_label_maps([label_map(x) for x in samples], tiles)


def label_map(sample: Any) -> np.ndarray:
    """Labels (H, W) of a ``SegDataSample`` of mmseg."""
    labels: np.ndarray = sample.pred_sem_seg.data[0].numpy()
    return labels


class _Drawings:
    """Where drawn pictures go: a file each, or a video for a video."""

    def __init__(self, out: Path, every: int) -> None:
        self._folder = out / DRAWN
        self._every = every
        self._video: VideoWriter | None = None
        self._source: Source | None = None

    def add(self, item: Item, picture: np.ndarray) -> None:
        path = self._folder / item.source.name
        if not item.source.is_video:
            if path.suffix.lower() not in ('.jpg', '.jpeg', '.png'):
                path = path.with_name(f'{path.name}.jpg')
            save_picture(path, picture)
            return
        if item.source != self._source:
            self.close()
            video = cv2.VideoCapture(str(item.source.path))
            fps = video.get(cv2.CAP_PROP_FPS) or 25.0
            video.release()
            self._video = VideoWriter(
                path.with_suffix('.mp4'),
                (picture.shape[0], picture.shape[1]),
                fps / self._every,
            )
            self._source = item.source
        assert self._video is not None
        self._video.add(picture)

    def close(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video = self._source = None
