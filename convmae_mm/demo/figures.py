"""Plots of the report, for light and for dark pages."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from .scalars import Curve, read_curve
from .steps import (
    DETECTOR,
    DETECTOR_SCRATCH,
    PRETRAIN,
    SEGMENTOR,
    SEGMENTOR_SCRATCH,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Theme:
    """Colours of a plot.

    Attributes:
        name: 'light' or 'dark'.
        paper: Background.
        ink: Text and axes.
        grid: Lines behind the curves.
        lines: Of the first and the second curve.
    """

    name: str
    paper: str
    ink: str
    grid: str
    lines: tuple[str, str]


LIGHT = Theme('light', '#ffffff', '#24292f', '#d8dee4', ('#0969da', '#bc4c00'))
DARK = Theme('dark', '#161b22', '#e6edf3', '#30363d', ('#58a6ff', '#f0883e'))


@dataclass(frozen=True)
class Panel:
    """One plot: named curves of a loss."""

    title: str
    curves: dict[str, Curve]


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


def plot_losses(panels: list[Panel], theme: Theme) -> bytes:
    """The panels side by side, as PNG."""
    figure = Figure(
        figsize=(4.2 * len(panels), 3.2),
        layout='constrained',
        facecolor=theme.paper,
    )
    for axes, panel in zip(
        figure.subplots(1, len(panels), squeeze=False)[0],
        panels,
        strict=True,
    ):
        _draw_panel(axes, panel, theme)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    return buffer.getvalue()


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    # The first theme colours: there are fewer curves than colours or as many.
    for (name, curve), color in zip(
        panel.curves.items(), theme.lines, strict=False
    ):
        axes.plot(curve.steps, curve.values, color=color, alpha=0.25, lw=1)
        smooth = curve.smoothed()
        axes.plot(smooth.steps, smooth.values, color=color, lw=2, label=name)
    axes.set_title(panel.title, color=theme.ink, fontsize=11)
    axes.set_xlabel('iteration', color=theme.ink)
    axes.set_ylabel('loss', color=theme.ink)
    axes.set_facecolor(theme.paper)
    axes.grid(color=theme.grid, lw=0.6)
    axes.tick_params(colors=theme.ink)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(theme.grid)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, labelcolor=theme.ink)
