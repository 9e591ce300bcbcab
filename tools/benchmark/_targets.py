"""Targets drawn at random, for a training step of any kind of network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

# In a picture. Each is a proposal too, and of 512 sampled proposals at most
# 128 go to the mask head: it never has more to do.
OBJECTS = 128


def draw_targets(model: Any, images: Tensor) -> list[Any] | None:
    """What the loss of ``model`` wants beside the images (B, C, h, w)."""
    if hasattr(model, 'run_masked'):
        return None
    if hasattr(model, 'decode_head'):
        draw = _draw_label_map
    elif hasattr(model, 'head'):
        draw = _draw_label
    else:
        draw = _draw_objects
    classes = next(
        module.num_classes
        for module in model.modules()
        if hasattr(module, 'num_classes')
    )
    size = (images.shape[2], images.shape[3])
    generator = torch.Generator().manual_seed(0)
    return [draw(size, classes, generator).to(images.device) for _ in images]


def _draw_objects(
    size: tuple[int, int], num_classes: int, generator: torch.Generator
) -> Any:
    """Boxes of a tenth to a half of the picture's sides, with full masks."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    height, width = size
    scale = torch.tensor([width, height])
    sides = 0.1 + 0.4 * torch.rand(OBJECTS, 2, generator=generator)
    corners = torch.rand(OBJECTS, 2, generator=generator) * (1 - sides)
    boxes = torch.cat([corners * scale, (corners + sides) * scale], dim=1)
    masks = np.zeros((OBJECTS, height, width), dtype=np.uint8)
    for mask, box in zip(masks, boxes.int().tolist(), strict=True):
        left, top, right, bottom = box
        mask[top:bottom, left:right] = 1
    sample = DetDataSample(
        metainfo=dict(
            img_shape=size,
            pad_shape=size,
            batch_input_shape=size,
            scale_factor=(1.0, 1.0),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.randint(num_classes, (OBJECTS,), generator=generator),
        masks=BitmapMasks(masks, height, width),
    )
    sample.ignored_instances = InstanceData(
        bboxes=boxes.new_empty(0, 4), labels=torch.empty(0, dtype=torch.long)
    )
    return sample


def _draw_label_map(
    size: tuple[int, int], num_classes: int, generator: torch.Generator
) -> Any:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample()
    labels = torch.randint(num_classes, (1, *size), generator=generator)
    sample.gt_sem_seg = PixelData(data=labels)
    return sample


def _draw_label(
    size: tuple[int, int], num_classes: int, generator: torch.Generator
) -> Any:
    from mmpretrain.structures import DataSample

    label = torch.randint(num_classes, (1,), generator=generator)
    return DataSample().set_gt_label(label)
