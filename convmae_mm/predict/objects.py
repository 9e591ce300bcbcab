"""Objects found in a picture, or true ones.

Legend: N objects, H W height and width of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Rle = dict[str, Any]  # COCO's run lengths: size, counts as text


@dataclass(frozen=True)
class Objects:
    """Boxes with labels, and masks if the network has any.

    Attributes:
        boxes: (N, 4), corners x1 y1 x2 y2 in pixels.
        labels: int (N,), 0-based classes.
        scores: (N,); 1 for the truth.
        masks: COCO's compressed run lengths of the whole picture, one for
            each object, or None.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: list[Rle] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, chosen: np.ndarray) -> Objects:
        """Those of a boolean mask, or of indices in their order."""
        numbers = np.arange(len(self))[chosen]
        masks = self.masks
        return Objects(
            self.boxes[numbers],
            self.labels[numbers],
            self.scores[numbers],
            None if masks is None else [masks[i] for i in numbers],
        )

    def at_least(self, score: float) -> Objects:
        return self.select(self.scores >= score)


def from_sample(
    sample: Any,
    offset: tuple[int, int] = (0, 0),
    size: tuple[int, int] | None = None,
) -> Objects:
    """What a ``DetDataSample`` of mmdet holds.

    Args:
        sample: Predictions for a picture, or for a tile of one.
        offset: x, y of the tile in the picture.
        size: (H, W) of the picture; by default that of the sample.
    """
    found = sample.pred_instances
    boxes = found.bboxes.numpy().astype(np.float64)
    masks = None
    if 'masks' in found:
        whole = size or tuple(sample.ori_shape)
        columns = [
            (int(np.floor(box[0])), int(np.ceil(box[2]))) for box in boxes
        ]
        masks = [
            encode_mask(np.asarray(mask), columns[i], offset, whole)
            for i, mask in enumerate(found.masks)
        ]
    x, y = offset
    return Objects(
        boxes + np.array([x, y, x, y]),
        found.labels.numpy().astype(int),
        found.scores.numpy().astype(np.float64),
        masks,
    )


def encode_mask(
    mask: np.ndarray,
    columns: tuple[int, int],
    offset: tuple[int, int],
    size: tuple[int, int],
) -> Rle:
    """COCO's run lengths of a mask that is a part of a picture.

    Only the columns near the object are looked at: the run lengths go down
    the columns, so that what is left and right of them is one run.

    Args:
        mask: bool (h, w).
        columns: From and to, about where the mask is not empty; they are
            widened if it is not empty outside.
        offset: x, y of the part in the picture.
        size: (H, W) of the picture.
    """
    height, width = size
    used = np.flatnonzero(mask.any(axis=0))
    if len(used) == 0:
        used = np.array([0])
    first = max(min(columns[0], int(used[0])), 0)
    last = min(max(columns[1], int(used[-1]) + 1), mask.shape[1])
    strip = np.zeros((height, last - first), bool)
    x, y = offset
    strip[y : y + mask.shape[0]] = mask[:, first:last]
    flat = strip.ravel(order='F')
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat[0]:
        runs.insert(0, 0)
    runs[0] += (x + first) * height
    rest = (width - x - last) * height
    if len(runs) % 2:
        runs[-1] += rest
    elif rest:
        runs.append(rest)
    return as_text(
        coco_mask.frPyObjects(
            {'size': [height, width], 'counts': runs}, height, width
        )
    )


def as_text(rle: Rle) -> Rle:
    """Run lengths as JSON takes them."""
    counts = rle['counts']
    if isinstance(counts, bytes):
        counts = counts.decode('ascii')
    return {'size': [int(x) for x in rle['size']], 'counts': counts}


def merge_tiles(
    parts: Sequence[Objects], tiles: Sequence[tuple[int, int, int, int]]
) -> Objects:
    """The objects of a picture from those of its overlapping tiles.

    An object in the overlap of two tiles is found twice, or is cut by the
    edge of one or both. Two of one class are the same when they agree inside
    the overlap; whole ones are kept before cut ones, and two cut ones are put
    together. Objects of one tile are never merged: the network has done that.

    Args:
        parts: In coordinates of the picture, for each tile.
        tiles: x1 y1 x2 y2 of each; together they cover the picture.
    """
    joined = _join(parts)
    of_tile = np.repeat(np.arange(len(parts)), [len(x) for x in parts])
    frames = np.array(tiles, float).reshape(-1, 4)
    cut = _is_cut(joined.boxes, frames[of_tile], frames)
    boxes, scores = joined.boxes.copy(), joined.scores.copy()
    masks = None if joined.masks is None else list(joined.masks)
    owner = np.full(len(boxes), -1)  # the kept object that each belongs to
    members: dict[int, set[int]] = {}  # tiles that have seen a kept object
    for i in np.lexsort((-scores, cut)).tolist():
        tile = int(of_tile[i])
        others = np.flatnonzero(
            (owner >= 0)
            & (joined.labels == joined.labels[i])
            & (of_tile != tile)
        )
        others = np.array(
            [j for j in others if tile not in members[owner[j]]], int
        )
        same = _seen_by_both(
            joined.boxes[i], joined.boxes[others], frames[tile],
            frames[of_tile[others]],
        )  # fmt: skip
        if not len(same) or same.max() <= 0.5:
            owner[i] = i
            members[i] = {tile}
            continue
        k = int(owner[others[int(same.argmax())]])
        owner[i] = k
        members[k].add(tile)
        scores[k] = max(scores[k], scores[i])
        if cut[i] and cut[k]:
            boxes[k, :2] = np.minimum(boxes[k, :2], boxes[i, :2])
            boxes[k, 2:] = np.maximum(boxes[k, 2:], boxes[i, 2:])
            if masks is not None:
                masks[k] = as_text(coco_mask.merge([masks[k], masks[i]]))
    merged = replace(joined, boxes=boxes, scores=scores, masks=masks)
    order = sorted(members, key=lambda k: -scores[k])
    return merged.select(np.array(order, int))


def _join(parts: Sequence[Objects]) -> Objects:
    masks: list[Rle] | None = None
    if any(x.masks is not None for x in parts):
        masks = [mask for x in parts for mask in x.masks or []]
    return Objects(
        np.concatenate([x.boxes for x in parts]).reshape(-1, 4),
        np.concatenate([x.labels for x in parts]).astype(int),
        np.concatenate([x.scores for x in parts]),
        masks,
    )


def _is_cut(
    boxes: np.ndarray, frames: np.ndarray, all_frames: np.ndarray
) -> np.ndarray:
    """Whether boxes end at an edge of their tile that is none of the picture.

    Args:
        boxes: (N, 4).
        frames: (N, 4), the tile of each.
        all_frames: (tiles, 4), together the picture.
    """
    picture = np.concatenate(
        [all_frames[:, :2].min(axis=0), all_frames[:, 2:].max(axis=0)]
    )
    inner = frames != picture
    sides = np.concatenate([frames[:, 2:] - frames[:, :2]] * 2, axis=1)
    near = np.abs(boxes - frames) <= np.maximum(0.01 * sides, 2)
    cut: np.ndarray = (near & inner).any(axis=1)
    return cut


def _seen_by_both(
    box: np.ndarray, others: np.ndarray, frame: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """How well a box agrees with others where their tiles overlap, 0 to 1.

    The intersection by the union of what both tiles see of them. (M,) for
    others and frames of shape (M, 4).
    """
    low = np.maximum(frame[:2], frames[:, :2])
    high = np.maximum(np.minimum(frame[2:], frames[:, 2:]), low)

    def clip(x: np.ndarray) -> np.ndarray:
        corners = [np.clip(x[:, :2], low, high), np.clip(x[:, 2:], low, high)]
        return np.concatenate(corners, axis=1)

    a, b = clip(np.repeat(box[None], len(others), axis=0)), clip(others)
    x1y1 = np.maximum(a[:, :2], b[:, :2])
    x2y2 = np.minimum(a[:, 2:], b[:, 2:])
    inner = np.maximum(x2y2 - x1y1, 0).prod(axis=1)
    areas = [(x[:, 2:] - x[:, :2]).prod(axis=1) for x in (a, b)]
    shares: np.ndarray = inner / np.maximum(areas[0] + areas[1] - inner, 1e-9)
    return shares
