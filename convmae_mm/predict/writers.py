"""What the predictions for pictures become on disk, for each task."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from convmae_mm.engine.atomic_files import write_whole

from .drawing import draw_label_map, draw_objects, label_colours
from .objects import Objects

DRAWN = 'pictures'
MAPS = 'label_maps'
JSON_FILE = 'predictions.json'
CSV_FILE = 'predictions.csv'
FRAME = '#'  # between the name of a video and the number of a frame
SHOWN_SCORE = 0.3  # objects below are not drawn unless asked for


class Writer(Protocol):
    """Takes the result of each picture in turn.

    ``add`` gives the drawn picture, None where nothing is drawn.
    """

    def add(
        self, name: str, size: tuple[int, int], found: Any, shown: Any
    ) -> np.ndarray | None:
        """Take a result.

        Args:
            name: Of the picture.
            size: (H, W).
            found: What the network found.
            shown: The picture as RGB, None if nothing is to be drawn.
        """

    def finish(self) -> list[Path]:
        """Write what is written at the end; the files, most telling first."""


@dataclass
class ObjectWriter:
    """A COCO data set of all objects, and pictures with them drawn.

    Args:
        out: Folder.
        classes: Names by label.
        palette: RGB by label, or empty.
        score: Objects below are left out; None keeps all in the file and
            draws those of at least ``SHOWN_SCORE``.
    """

    out: Path
    classes: Sequence[str]
    palette: Sequence[Sequence[int]] = ()
    score: float | None = None

    def __post_init__(self) -> None:
        self._images: list[dict] = []
        self._annotations: list[dict] = []

    def add(
        self, name: str, size: tuple[int, int], found: Objects, shown: Any
    ) -> np.ndarray | None:
        image = len(self._images) + 1
        self._images.append(
            dict(id=image, file_name=name, height=size[0], width=size[1])
        )
        kept = found if self.score is None else found.at_least(self.score)
        for index in range(len(kept)):
            self._annotations.append(self._annotation(kept, index, image))
        if shown is None:
            return None
        if self.score is None:
            kept = kept.at_least(SHOWN_SCORE)
        return draw_objects(shown, kept, self.classes, self.palette)

    def _annotation(self, found: Objects, index: int, image: int) -> dict:
        x1, y1, x2, y2 = found.boxes[index].tolist()
        label = int(found.labels[index])
        annotation = dict(
            id=len(self._annotations) + 1,
            image_id=image,
            file_name=self._images[-1]['file_name'],
            category_id=label,
            category_name=name_of(self.classes, label),
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            iscrowd=0,
            score=float(found.scores[index]),
        )
        if found.masks is not None:
            from pycocotools import mask as coco_mask

            annotation['segmentation'] = found.masks[index]
            annotation['area'] = float(coco_mask.area(found.masks[index]))
        return annotation

    def finish(self) -> list[Path]:
        content = dict(
            images=self._images,
            categories=[
                dict(id=label, name=name)
                for label, name in enumerate(self.classes)
            ],
            annotations=self._annotations,
        )
        return [write_text(self.out / JSON_FILE, json.dumps(content))]


@dataclass
class LabelMapWriter:
    """A PNG of labels for each picture, and the labels laid over it.

    Args:
        out: Folder.
        classes: Names by label.
        palette: RGB by label, or empty.
    """

    out: Path
    classes: Sequence[str]
    palette: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        self._images: list[dict] = []
        self._used: set[Path] = set()
        self._palette = (
            self.palette
            if len(self.palette)
            else label_colours(len(self.classes))
        )

    def add(
        self, name: str, size: tuple[int, int], found: np.ndarray, shown: Any
    ) -> np.ndarray | None:
        file = (self.out / MAPS / name).with_suffix('.png')
        if FRAME in name or file in self._used:
            file = self.out / MAPS / f'{name}.png'
        self._used.add(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = np.uint8 if len(self.classes) <= 256 else np.uint16
        Image.fromarray(found.astype(kind)).save(file)
        labels, counts = np.unique(found, return_counts=True)
        shares = (counts / found.size).tolist()
        self._images.append(
            dict(
                file_name=name,
                height=size[0],
                width=size[1],
                label_map=str(file.relative_to(self.out)),
                shares={
                    name_of(self.classes, int(label)): share
                    for label, share in zip(labels, shares, strict=True)
                },
            )
        )
        if shown is None:
            return None
        return draw_label_map(shown, found, self._palette)

    def finish(self) -> list[Path]:
        content = dict(
            categories=[
                dict(id=label, name=name, color=[int(x) for x in colour])
                for label, (name, colour) in enumerate(
                    zip(self.classes, self._palette, strict=False)
                )
            ],
            images=self._images,
        )
        text = json.dumps(content, indent=1)
        return [self.out / MAPS, write_text(self.out / JSON_FILE, text)]


@dataclass(frozen=True)
class PictureClass:
    """The likeliest class of a picture and how likely it is."""

    file_name: str
    label: int
    name: str
    score: float


@dataclass
class ClassWriter:
    """A table of the class of each picture, and pictures with it written.

    Args:
        out: Folder.
        classes: Names by label.
    """

    out: Path
    classes: Sequence[str]

    def __post_init__(self) -> None:
        self._rows: list[PictureClass] = []

    def add(
        self, name: str, size: tuple[int, int], found: np.ndarray, shown: Any
    ) -> np.ndarray | None:
        label = int(found.argmax())
        row = PictureClass(
            name, label, name_of(self.classes, label), float(found[label])
        )
        self._rows.append(row)
        if shown is None:
            return None
        whole = np.array([[0.0, 0.0, size[1], size[0]]])
        objects = Objects(whole, np.array([label]), np.array([row.score]))
        return draw_objects(shown, objects, self.classes)

    def finish(self) -> list[Path]:
        text = io.StringIO()
        table = csv.writer(text, lineterminator='\n')
        table.writerow(['file_name', 'class', 'score'])
        for row in self._rows:
            table.writerow([row.file_name, row.name, f'{row.score:.6f}'])
        return [write_text(self.out / CSV_FILE, text.getvalue())]


def name_of(classes: Sequence[str], label: int) -> str:
    """The name of a class, its number where there is none."""
    return classes[label] if label < len(classes) else str(label)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture, in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=92)


def write_text(path: Path, text: str) -> Path:
    """Write a file that is either the old one or whole, never half."""
    write_whole(path, text.encode())
    return path


class VideoWriter:
    """A video of RGB pictures of one size.

    Args:
        path: Of the file, .mp4.
        size: (H, W).
        fps: Pictures in a second.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter.fourcc(*'mp4v')
        self._file = cv2.VideoWriter(str(path), codec, fps, size[::-1])

    def add(self, picture: np.ndarray) -> None:
        self._file.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._file.release()
