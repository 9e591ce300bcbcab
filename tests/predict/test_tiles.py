"""Tiles cover a picture, and what is seen twice counts once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

import convmae_mm
from convmae_mm.predict.objects import Objects, encode_mask, merge_tiles
from convmae_mm.predict.run import Tiling, _predict_tiles
from convmae_mm.predict.tiles import merge_label_maps, tile_boxes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('overlap', [0.0, 0.2, 0.5])
@pytest.mark.parametrize(
    'size', [(100, 100), (640, 480), (3000, 4000), (65, 64)]
)
def test_tiles_cover_the_picture(size, overlap):
    covered = np.zeros(size, int)
    tiles = tile_boxes(size, (64, 96), overlap)
    for x1, y1, x2, y2 in tiles:
        assert (y2 - y1, x2 - x1) == (64, min(96, size[1]))
        covered[y1:y2, x1:x2] += 1
    assert covered.min() == 1
    assert len(set(tiles)) == len(tiles)


def test_run_lengths_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    part = rng.random((20, 30)) > 0.6
    for offset in ((0, 0), (10, 5), (70, 40)):
        whole = np.zeros((60, 100), np.uint8)
        x, y = offset
        whole[y : y + 20, x : x + 30] = part
        ours = encode_mask(part, (3, 9), offset, (60, 100))
        theirs = coco_mask.encode(np.asfortranarray(whole))
        assert ours['counts'] == theirs['counts'].decode()
    nothing = encode_mask(np.zeros((5, 5), bool), (0, 5), (0, 0), (5, 5))
    assert coco_mask.area(nothing) == 0


def found(boxes, scores, labels=None, size=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    masks = None
    if size is not None:
        masks = []
        for x1, y1, x2, y2 in boxes.astype(int):
            mask = np.ones((y2 - y1, x2 - x1), bool)
            masks.append(encode_mask(mask, (0, x2 - x1), (x1, y1), size))
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    return Objects(boxes, labels, np.array(scores, float), masks)


TILES = [(0, 0, 100, 100), (80, 0, 180, 100)]


def test_an_object_in_the_overlap_counts_once():
    merged = merge_tiles(
        [found([[82, 10, 96, 30]], [0.6]), found([[83, 10, 97, 30]], [0.9])],
        TILES,
    )
    assert merged.boxes.tolist() == [[83, 10, 97, 30]]
    assert merged.scores.tolist() == [0.9]


def test_a_whole_object_wins_over_its_cut_part():
    merged = merge_tiles(
        [found([[60, 10, 100, 30]], [0.9]), found([[85, 10, 120, 30]], [0.5])],
        TILES,
    )
    # cut by the left tile, and begins at 85 for the right one
    assert merged.boxes.tolist() == [[85, 10, 120, 30]]
    assert merged.scores.tolist() == [0.9]


def test_the_parts_of_a_long_object_are_put_together():
    size = (100, 260)
    tiles = [*TILES, (160, 0, 260, 100)]
    parts = [
        found([[20, 40, 100, 60]], [0.7], size=size),
        found([[80, 40, 180, 60]], [0.8], size=size),
        found([[160, 40, 230, 60]], [0.6], size=size),
    ]
    merged = merge_tiles(parts, tiles)
    assert merged.boxes.tolist() == [[20, 40, 230, 60]]
    assert coco_mask.area(merged.masks[0]) == 210 * 20


def test_neighbours_and_other_classes_stay_apart():
    parts = [
        found([[82, 10, 96, 30], [82, 12, 96, 32]], [0.9, 0.8], [0, 1]),
        found([[82, 10, 96, 30], [82, 60, 96, 80]], [0.7, 0.7], [2, 0]),
    ]
    assert len(merge_tiles(parts, TILES)) == 4
    # two of one tile are never merged: the network has done that
    twins = found([[82, 10, 96, 30], [82, 11, 96, 31]], [0.9, 0.8])
    assert len(merge_tiles([twins, found([], [])], TILES)) == 2
    assert len(merge_tiles([twins, twins], TILES)) == 2


def test_label_maps_fit_together():
    whole = np.arange(50 * 70).reshape(50, 70) % 251
    tiles = tile_boxes((50, 70), (32, 32), 0.25)
    parts = [whole[y1:y2, x1:x2] for x1, y1, x2, y2 in tiles]
    assert (merge_label_maps(parts, tiles) == whole).all()
    # each pixel from the tile whose edge is farther away
    halves = [np.zeros((10, 20), int), np.ones((10, 20), int)]
    merged = merge_label_maps(halves, [(0, 0, 20, 10), (10, 0, 30, 10)])
    assert merged[5].tolist() == [0] * 15 + [1] * 15


def test_tiles_of_a_mosaic_find_what_the_pictures_hold(
    trained: Callable[[str], Path], scenes: Path
):
    """Pictures side by side, cut where they meet: the same objects."""
    model = convmae_mm.load(trained('masks'), device='cpu')
    files = sorted((scenes / 'images' / 'val').glob('*.jpg'))[:4]
    reads = [model.read(file) for file in files]
    pixels = [read['img'] for read in reads]
    mosaic = np.vstack([np.hstack(pixels[:2]), np.hstack(pixels[2:])])
    read = dict(reads[0], img=mosaic, ori_shape=mosaic.shape[:2])
    objects = _predict_tiles(model, read, 2, Tiling((128, 128), 0.0))
    alone = [
        _predict_tiles(model, x, 1, Tiling((128, 128), 0.0)) for x in reads
    ]
    assert len(objects) == sum(len(x) for x in alone)
    corners = [(0, 0), (128, 0), (0, 128), (128, 128)]
    for (x, y), part in zip(corners, alone, strict=True):
        for index in range(len(part)):
            box = part.boxes[index] + np.array([x, y, x, y])
            near = np.abs(objects.boxes - box).max(axis=1)
            near += np.abs(objects.scores - part.scores[index])
            near += 1000 * (objects.labels != part.labels[index])
            match = int(near.argmin())
            assert near[match] < 1e-2
            area = coco_mask.area(objects.masks[match])
            # one in a thousand pixels may lie on the threshold
            assert abs(int(area) - int(coco_mask.area(part.masks[index]))) < 9
