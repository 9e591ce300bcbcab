"""Run the trained models on held-out scenes and draw the results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.structures import BaseDataElement
from PIL import Image
from pycocotools.coco import COCO
from torch import Tensor

# Imported for its effect: checkpoints are then loaded safely.
import convmae_mm.engine  # noqa: F401

from .drawing import Instances, draw_instances, draw_label_map, enlarge
from .steps import (
    DATA_ROOT,
    DETECTOR,
    DETECTOR_SCRATCH,
    PRETRAIN,
    SEGMENTOR,
    SEGMENTOR_SCRATCH,
    Training,
)
from .summary import Plan

SHOWN_SCORE = 0.5  # detections below are not drawn


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side: a row per scene, a column per point of view.

    Attributes:
        name: For file names.
        columns: Their headings.
        rows: The pictures.
        note: What differs from run to run and belongs beside them.
    """

    name: str
    columns: list[str]
    rows: list[list[np.ndarray]]
    note: str = ''


def held_out_scenes(work_dir: Path, count: int) -> list[Path]:
    """Scenes spread evenly over the held-out ones, not picked."""
    files = sorted((work_dir / DATA_ROOT / 'images' / 'val').glob('*.jpg'))
    if not files:
        raise FileNotFoundError(
            f'no held-out scenes below {work_dir / DATA_ROOT}'
        )
    count = min(count, len(files))
    return [files[i * len(files) // count] for i in range(count)]


def reconstruction_gallery(
    work_dir: Path, plan: Plan, scenes: list[Path]
) -> Gallery:
    """What the encoder makes of the visible patches of each picture."""
    model = _load_model(work_dir, PRETRAIN, plan)
    processor = model.data_preprocessor
    images = np.stack([_read(scene) for scene in scenes])
    with torch.no_grad():
        batch = _to_inputs(images, processor)
        # The same patches are hidden whenever the report is written.
        generator = torch.Generator().manual_seed(0)
        tokens = batch.shape[-2] * batch.shape[-1] // 256
        noise = torch.rand(len(batch), tokens, generator=generator)
        panels = model.reconstruct_panels(batch, noise.to(batch.device))
    columns = ['original', 'masked', 'reconstructed', 'pasted']
    pictures = [
        _to_pictures(getattr(panels, name), processor) for name in columns
    ]
    return Gallery(
        'reconstruction',
        ['Original', 'Masked', 'Reconstructed', 'Visible patches pasted in'],
        [list(row) for row in zip(*pictures, strict=True)],
        note=f'{int((~panels.mask[0]).sum())} of {tokens} patches',
    )


def detection_gallery(
    work_dir: Path, plan: Plan, scenes: list[Path]
) -> Gallery:
    """The true objects beside those of both detectors."""
    from mmdet.apis import inference_detector

    truth = _true_instances(work_dir, scenes)
    columns = [[draw_instances(*item) for item in truth]]
    for training in (DETECTOR, DETECTOR_SCRATCH):
        model = _load_model(work_dir, training, plan)
        results = inference_detector(model, [str(scene) for scene in scenes])
        names = _classes(model)
        columns.append(
            [
                draw_instances(_read(scene), _shown(result), names)
                for scene, result in zip(scenes, results, strict=True)
            ]
        )
    return Gallery(
        'detection',
        ['Ground truth', 'From the pretrained encoder', 'From scratch'],
        [list(row) for row in zip(*columns, strict=True)],
    )


def segmentation_gallery(
    work_dir: Path, plan: Plan, scenes: list[Path]
) -> Gallery:
    """The true label map beside those of both segmentors."""
    from mmseg.apis import inference_model

    columns = [
        [enlarge(_read(scene)) for scene in scenes],
        [
            draw_label_map(_read(scene), _true_labels(work_dir, scene))
            for scene in scenes
        ],
    ]
    for training in (SEGMENTOR, SEGMENTOR_SCRATCH):
        model = _load_model(work_dir, training, plan)
        column = []
        for scene in scenes:
            result = inference_model(model, str(scene))
            labels = result.pred_sem_seg.data[0].cpu().numpy()
            column.append(draw_label_map(_read(scene), labels))
        columns.append(column)
    return Gallery(
        'segmentation',
        [
            'Picture',
            'Ground truth',
            'From the pretrained encoder',
            'From scratch',
        ],
        [list(row) for row in zip(*columns, strict=True)],
    )


def _load_model(work_dir: Path, training: Training, plan: Plan) -> Any:
    """The model at the end of a training, ready to infer."""
    folder = work_dir / training.name
    epoch = plan.max_epochs(training.name)
    config = Config.fromfile(folder / training.config)
    init_default_scope(config.default_scope)
    # Its weights come from its own checkpoint.
    config.model.backbone.pop('init_cfg', None)
    if config.default_scope == 'mmpretrain':
        model = MODELS.build(config.model)
        load_checkpoint(
            model, str(folder / f'epoch_{epoch}.pth'), map_location='cpu'
        )
        return model.to(get_device()).eval()
    checkpoint = str(folder / f'epoch_{epoch}.pth')
    if config.default_scope == 'mmdet':
        from mmdet.apis import init_detector

        return init_detector(config, checkpoint, device=get_device())
    from mmseg.apis import init_model

    return init_model(config, checkpoint, device=get_device())


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert('RGB'))


def _to_inputs(pictures: np.ndarray, processor: Any) -> Tensor:
    """From pictures (B, H, W, 3) to the model's input space."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return (pixels.to(processor.mean.device) - processor.mean) / processor.std


def _to_pictures(images: Tensor, processor: Any) -> list[np.ndarray]:
    """From the model's input space to pictures."""
    pixels = images * processor.std + processor.mean
    arrays = pixels.clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    return [enlarge(array) for array in arrays]


def _true_instances(
    work_dir: Path, scenes: list[Path]
) -> Iterator[tuple[np.ndarray, Instances, list[str]]]:
    file = work_dir / DATA_ROOT / 'annotations' / 'instances_val.json'
    content = json.loads(file.read_text(encoding='utf-8'))
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    categories = sorted(content['categories'], key=lambda c: c['id'])
    index = {c['id']: i for i, c in enumerate(categories)}
    ids = {image['file_name']: image['id'] for image in content['images']}
    for scene in scenes:
        objects = coco.imgToAnns[ids[scene.name]]
        boxes = np.array([o['bbox'] for o in objects], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        yield (
            _read(scene),
            Instances(
                boxes,
                np.array([coco.annToMask(o) for o in objects], bool),
                np.array([index[o['category_id']] for o in objects], int),
            ),
            [c['name'] for c in categories],
        )


def _true_labels(work_dir: Path, scene: Path) -> np.ndarray:
    file = work_dir / DATA_ROOT / 'label_maps' / 'val' / f'{scene.stem}.png'
    # As `reduce_zero_label` does: 0 becomes 255, unlabelled.
    return np.asarray(Image.open(file)).astype(np.uint8) - np.uint8(1)


def _classes(model: Any) -> list[str]:
    return list(model.dataset_meta['classes'])


def _shown(result: BaseDataElement) -> Instances:
    found = result.pred_instances.cpu().numpy()
    keep = found.scores >= SHOWN_SCORE
    return Instances(
        found.bboxes[keep],
        found.masks[keep].astype(bool),
        found.labels[keep],
        found.scores[keep],
    )
