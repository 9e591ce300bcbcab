"""Write the demo's report, as a page and as Markdown."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from convmae_mm.engine.hooks.progress_line import (
    ProgressLine,
    format_duration,
)
from convmae_mm.report.figures import DARK, LIGHT, plot_panels
from convmae_mm.version import __version__

from .drawing import PALETTE
from .figures import loss_panels
from .own_data import own_data
from .records import write_text
from .samples import (
    SHOWN_SCORE,
    Gallery,
    detection_gallery,
    held_out_scenes,
    reconstruction_gallery,
    segmentation_gallery,
)
from .steps import PRETRAIN
from .summary import (
    Plan,
    Score,
    Timings,
    describe_machine,
    read_demo_scores,
    read_timings,
)

IMAGES = 'images'
_SCENES = 6  # in each gallery


@dataclass(frozen=True)
class Report:
    """Everything the templates show."""

    plan: Plan
    scores: list[Score]
    timings: Timings
    machine: list[tuple[str, str]]
    losses: dict[str, bytes]
    galleries: list[Gallery]
    written: datetime


def write_report(work_dir: Path) -> None:
    """Write ``report.html``, ``report.md`` and its ``images/``.

    Args:
        work_dir: Of a demo whose trainings have ended.

    Raises:
        FileNotFoundError: If something is not there yet.
    """
    report = collect_report(work_dir)
    environment = Environment(
        loader=PackageLoader('convmae_mm.demo'),
        autoescape=lambda name: name is not None and 'html' in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['duration'] = format_duration
    facts = {
        'report': report,
        'version': __version__,
        'shown_score': SHOWN_SCORE,
        'classes': list(zip(_digit_names(), PALETTE, strict=True)),
        'work_dir': work_dir.resolve().name,
        'coloured_share': _coloured_share(),
        'own_data': own_data(report.plan.max_epochs(PRETRAIN.name)),
    }
    html = environment.get_template('report.html.j2').render(
        facts,
        losses={
            theme: _data_uri(png, 'png')
            for theme, png in report.losses.items()
        },
        inline=lambda picture: _data_uri(_encode(picture), 'jpeg'),
    )
    write_text(work_dir / 'report.html', html)
    _write_images(report, work_dir / IMAGES)
    markdown = environment.get_template('report.md.j2').render(facts)
    write_text(work_dir / 'report.md', markdown)


def collect_report(work_dir: Path) -> Report:
    """Read the numbers and run the models; tells its progress in lines."""
    plan = Plan.read(work_dir)
    scores = read_demo_scores(work_dir, plan)
    panels = loss_panels(work_dir)
    losses = {
        theme.name: plot_panels(panels, theme) for theme in (LIGHT, DARK)
    }
    scenes = held_out_scenes(work_dir, _SCENES)
    makers: list[Callable[[Path, Plan, list[Path]], Gallery]] = [
        reconstruction_gallery,
        detection_gallery,
        segmentation_gallery,
    ]
    galleries = []
    start = datetime.now().astimezone()
    for done, maker in enumerate(makers, start=1):
        galleries.append(maker(work_dir, plan, scenes))
        seconds = (datetime.now().astimezone() - start).total_seconds()
        print(
            ProgressLine('report', done, len(makers), seconds / done),
            flush=True,
        )
    return Report(
        plan=plan,
        scores=scores,
        timings=read_timings(work_dir, plan),
        machine=describe_machine(),
        losses=losses,
        galleries=galleries,
        written=datetime.now().astimezone(),
    )


def _write_images(report: Report, folder: Path) -> None:
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / 'losses.png').write_bytes(report.losses['light'])
    for gallery in report.galleries:
        for row, pictures in enumerate(gallery.rows):
            for column, picture in enumerate(pictures):
                name = f'{gallery.name}_{row}_{column}.jpg'
                (folder / name).write_bytes(_encode(picture))


def _encode(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format='JPEG', quality=88)
    return buffer.getvalue()


def _data_uri(content: bytes, kind: str) -> str:
    text = base64.b64encode(content).decode('ascii')
    return f'data:image/{kind};base64,{text}'


def _coloured_share() -> float:
    """Of the digits, how many have a colour that hints at their class."""
    from convmae_mm.datasets.digit_scenes.rendering import FREE_COLOUR_SHARE

    return 1 - FREE_COLOUR_SHARE


def _digit_names() -> list[str]:
    from convmae_mm.datasets.digit_scenes.sources import CLASSES

    return list(CLASSES)
