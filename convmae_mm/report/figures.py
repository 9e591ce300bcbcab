"""Plots for light and for dark pages, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from .scalars import Curve

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
        lines: Of the first curve, the second and so on.
    """

    name: str
    paper: str
    ink: str
    grid: str
    lines: tuple[str, ...]


LIGHT = Theme('light', '#ffffff', '#24292f', '#d8dee4', ('#0969da', '#bc4c00'))
DARK = Theme('dark', '#161b22', '#e6edf3', '#30363d', ('#58a6ff', '#f0883e'))
THEMES = (LIGHT, DARK)


@dataclass(frozen=True)
class Panel:
    """One plot: named curves of a quantity.

    Attributes:
        title: Above it.
        curves: By name; no more than a theme has lines.
        ylabel: What is counted upwards.
        smooth: Draw the moving average over the pale values.
        xlabel: What is counted to the right.
    """

    title: str
    curves: dict[str, Curve]
    ylabel: str = 'loss'
    smooth: bool = True
    xlabel: str = 'iteration'


def plot_panels(panels: Sequence[Panel], theme: Theme) -> bytes:
    """The panels side by side."""
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
    return _png(figure)


def plot_confusion(
    names: Sequence[str], counts: np.ndarray, theme: Theme
) -> bytes:
    """A matrix of shares of each row; with numbers if there is room.

    Args:
        names: Of the classes.
        counts: By true class and found class.
        theme: Colours.
    """
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1)
    side = min(max(3.2, 0.42 * len(names) + 1.6), 14)
    figure = Figure(
        figsize=(side, side), layout='constrained', facecolor=theme.paper
    )
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list(
        'shares', [theme.paper, theme.lines[0]]
    )
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    axes.set_xlabel('found', color=theme.ink)
    axes.set_ylabel('true', color=theme.ink)
    axes.tick_params(colors=theme.ink, length=0)
    axes.spines[:].set_color(theme.grid)
    if len(names) <= 25:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f'{share:.2f}',
                ha='center',
                va='center',
                fontsize=7,
                color=theme.paper if share > 0.5 else theme.ink,
            )
    return _png(figure)


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    for (name, curve), color in zip(
        panel.curves.items(), theme.lines, strict=False
    ):
        if panel.smooth:
            axes.plot(curve.steps, curve.values, color=color, alpha=0.25, lw=1)
        shown = curve.smoothed() if panel.smooth else curve
        marker = '' if panel.smooth else 'o'
        axes.plot(
            shown.steps, shown.values, marker=marker, ms=3, color=color,
            lw=2, label=name,
        )  # fmt: skip
    axes.set_title(panel.title, color=theme.ink, fontsize=11)
    axes.set_xlabel(panel.xlabel, color=theme.ink)
    axes.set_ylabel(panel.ylabel, color=theme.ink)
    axes.set_facecolor(theme.paper)
    axes.grid(color=theme.grid, lw=0.6)
    axes.tick_params(colors=theme.ink)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(theme.grid)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, labelcolor=theme.ink)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    return buffer.getvalue()
