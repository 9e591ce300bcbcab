"""The losses of the demo's trainings."""

from __future__ import annotations

from pathlib import Path

from convmae_mm.report.figures import Panel
from convmae_mm.report.scalars import read_curve

from .steps import (
    DETECTOR,
    DETECTOR_SCRATCH,
    PRETRAIN,
    SEGMENTOR,
    SEGMENTOR_SCRATCH,
)


def loss_panels(work_dir: Path) -> list[Panel]:
    """The losses of all trainings; both starts of a model share a panel."""
    pairs = {
        'Mask R-CNN': (DETECTOR, DETECTOR_SCRATCH),
        'UperNet': (SEGMENTOR, SEGMENTOR_SCRATCH),
    }
    panels = [
        Panel('Pretraining', {'loss': read_curve(work_dir / PRETRAIN.name)})
    ]
    for title, (pretrained, scratch) in pairs.items():
        curves = {
            'pretrained': read_curve(work_dir / pretrained.name),
            'from scratch': read_curve(work_dir / scratch.name),
        }
        panels.append(Panel(title, curves))
    return panels
