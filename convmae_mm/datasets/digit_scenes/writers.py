"""One scene or crop to files, and the records of all scenes to COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from convmae_mm.engine.atomic_files import write_whole

from .composition import Scene
from .sources import CLASSES

# 0 would be 'unlabelled', as in ADE20K; every pixel of a scene has a label.
BACKGROUND_LABEL = 1
FIRST_DIGIT_LABEL = 2
_JPEG = {'format': 'JPEG', 'quality': 92}


def write_json(path: Path, content: Any) -> None:
    """Write a file that is either complete or absent."""
    write_whole(path, (json.dumps(content) + '\n').encode())


def _save(array: np.ndarray, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def label_map(scene: Scene) -> np.ndarray:
    """(H, W) uint8: 1 background, 2 to 11 the digits zero to nine."""
    labels = np.full(scene.image.shape[:2], BACKGROUND_LABEL, np.uint8)
    for instance in scene.instances:
        labels[instance.mask] = FIRST_DIGIT_LABEL + instance.digit
    return labels


def _coco_instance(digit: int, mask: np.ndarray) -> dict[str, Any]:
    """A COCO annotation without ids; the mask is kept exactly, as RLE."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        'category_id': digit + 1,
        'bbox': coco_mask.toBbox(rle).tolist(),
        'area': int(coco_mask.area(rle)),
        'segmentation': {
            'size': [int(side) for side in rle['size']],
            'counts': rle['counts'].decode('ascii'),
        },
        'iscrowd': 0,
    }


def write_scene(
    root: Path, split: str, image_id: int, scene: Scene
) -> dict[str, Any]:
    """Write picture and label map; return what COCO needs to know."""
    stem = f'{image_id:06d}'
    _save(scene.image, root / 'images' / split / f'{stem}.jpg', **_JPEG)
    _save(label_map(scene), root / 'label_maps' / split / f'{stem}.png')
    height, width = scene.image.shape[:2]
    return {
        'image': {
            'id': image_id,
            'file_name': f'{stem}.jpg',
            'height': height,
            'width': width,
            'photo': scene.photo_name,
        },
        'annotations': [
            _coco_instance(instance.digit, instance.mask)
            | {'glyph_index': instance.glyph_index}
            for instance in scene.instances
        ],
    }


def write_crop(root: Path, split: str, crop_id: int, crop: Scene) -> None:
    """Write a picture of a single digit into the folder of its class."""
    folder = root / 'classification' / split
    (instance,) = crop.instances
    path = folder / CLASSES[instance.digit] / f'{crop_id:06d}.jpg'
    _save(crop.image, path, **_JPEG)


def write_coco(path: Path, records: list[dict[str, Any]]) -> int:
    """Join the records of ``write_scene``; return how many instances."""
    annotations: list[dict[str, Any]] = []
    for record in records:
        for annotation in record['annotations']:
            # pycocotools takes an annotation with id 0 for unmatched.
            ids = {
                'id': len(annotations) + 1,
                'image_id': record['image']['id'],
            }
            annotations.append(ids | annotation)
    write_json(
        path,
        {
            'info': {'description': 'DigitScenes'},
            'images': [record['image'] for record in records],
            'annotations': annotations,
            'categories': [
                {'id': digit + 1, 'name': name, 'supercategory': 'digit'}
                for digit, name in enumerate(CLASSES)
            ],
        },
    )
    return len(annotations)
