"""Draw the pictures that a training sees, with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.registry import DATASETS, DefaultScope
from pycocotools import mask as coco_mask

from convmae_mm.apis.config import load_config, mend_libraries
from convmae_mm.apis.options import RunOptions
from convmae_mm.errors import ConfigError

from .drawing import draw_label_map, draw_objects, enlarge, enlarge_objects
from .objects import Objects, as_text
from .writers import save_picture


def browse(config: str | Path, out: Path, number: int) -> int:
    """Write augmented samples of the training data; how many there are.

    Args:
        config: Path of the config.
        out: Folder, a PNG for each.
        number: Samples, spread evenly over the data.

    Raises:
        ConfigError: If the config trains nothing.
    """
    cfg = load_config(config, RunOptions())
    if cfg.get('train_dataloader') is None:
        raise ConfigError(f'{config} has no train_dataloader')
    mend_libraries(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        dataset = DATASETS.build(dict(cfg.train_dataloader['dataset']))
        count = min(number, len(dataset))
        for index in range(count):
            sample = dataset[index * len(dataset) // count]
            save_picture(
                out / f'{index:03d}.png', _draw(sample, dataset.metainfo)
            )
    return count


def _draw(sample: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """The picture of a sample, RGB, with what it is labelled with."""
    inputs = sample['inputs']
    if isinstance(inputs, (list, tuple)):
        inputs = inputs[0]
    pixels = inputs[:3].numpy().transpose(1, 2, 0)
    if pixels.dtype != np.uint8:
        low, high = pixels.min(), pixels.max()
        pixels = ((pixels - low) / max(high - low, 1e-9) * 255).astype('uint8')
    if pixels.shape[2] == 3:
        shown = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2RGB)
    else:
        shown = np.repeat(pixels[..., :1], 3, axis=2)
    labels = sample.get('data_samples')
    names = [str(x) for x in meta.get('classes') or ()]
    if labels is not None and 'gt_sem_seg' in labels:
        classes = labels.gt_sem_seg.data[0].numpy()
        palette = meta.get('palette') or ()
        return enlarge(draw_label_map(shown, classes, palette))
    size = (shown.shape[0], shown.shape[1])
    if labels is not None and 'gt_instances' in labels:
        found = labels.gt_instances
        boxes = getattr(found.bboxes, 'tensor', found.bboxes).numpy()
        masks = None
        if 'masks' in found and len(boxes):
            masks = [
                as_text(coco_mask.encode(np.asfortranarray(x)))
                for x in found.masks.to_ndarray().astype(np.uint8)
            ]
        objects = Objects(
            boxes.reshape(-1, 4).astype(float),
            found.labels.numpy().astype(int),
            np.ones(len(boxes)),
            masks,
        )
    elif labels is not None and 'gt_label' in labels:
        whole = np.array([[0.0, 0.0, size[1], size[0]]])
        label = labels.gt_label.numpy().reshape(-1)[:1].astype(int)
        objects = Objects(whole, label, np.ones(1))
    else:
        return enlarge(shown)
    return draw_objects(
        enlarge(shown),
        enlarge_objects(objects, size),
        names,
        with_scores=False,
    )
