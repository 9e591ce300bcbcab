"""Reports on trainings as one page without other files, and as Markdown."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from shutil import rmtree

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from convmae_mm.apis.load import RUN_FILE
from convmae_mm.predict.writers import write_text
from convmae_mm.version import __version__

from .training import TrainingReport, report_on

HTML = 'report.html'
MARKDOWN = 'report.md'
IMAGES = 'report_images'  # of the Markdown


def write_report(
    source: str | PathLike,
    out: str | PathLike | None = None,
    *,
    config: str | PathLike | None = None,
    device: str | None = None,
) -> Path:
    """Report on a training, or on all of a run; the page.

    Args:
        source: The folder of either, or a checkpoint in it.
        out: Folder to write into; by default that of the source.
        config: The config, where it is not in the checkpoint.
        device: Where to predict; by default a GPU if there is one.
    """
    place = Path(source).expanduser()
    folder = Path(out or (place if place.is_dir() else place.parent))
    names = _trainings_of(place)
    if names:
        reports = [report_on(place / x, device=device) for x in names]
        return render_page(folder, place.resolve().name, reports)
    report = report_on(source, config=config, device=device)
    return render_page(folder, report.title, [report])


def _trainings_of(place: Path) -> list[str]:
    """Folders of the trainings of a run; none where it is no run."""
    record = place / RUN_FILE
    if not record.is_file():
        return []
    names: list[str] = json.loads(record.read_text('utf-8')).get(
        'trainings', []
    )
    return names


def render_page(
    folder: Path,
    title: str,
    trainings: Sequence[TrainingReport],
) -> Path:
    """Write ``report.html``, ``report.md`` and the images of the latter.

    Args:
        folder: To write into.
        title: Of the page.
        trainings: In the order in which they are told.

    Returns:
        The page.
    """
    environment = Environment(
        loader=PackageLoader('convmae_mm.report'),
        autoescape=lambda name: name is not None and 'html' in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['number'] = _number
    facts = dict(title=title, trainings=trainings, version=__version__)
    html = environment.get_template('report.html.j2').render(
        facts, png=_png_uri, jpeg=lambda x: _uri(_jpeg(x), 'jpeg')
    )
    images = folder / IMAGES
    rmtree(images, ignore_errors=True)
    images.mkdir(parents=True)
    count = 0

    def keep(content: bytes, suffix: str) -> str:
        nonlocal count
        count += 1
        file = images / f'{count:03d}.{suffix}'
        file.write_bytes(content)
        return f'{IMAGES}/{file.name}'

    markdown = environment.get_template('report.md.j2').render(
        facts,
        png=lambda content: keep(content, 'png'),
        jpeg=lambda picture: keep(_jpeg(picture), 'jpg'),
    )
    write_text(folder / MARKDOWN, markdown)
    return write_text(folder / HTML, html)


def _number(value: float, is_count: bool) -> str:
    if math.isnan(value):
        return '-'
    return f'{int(value):,}' if is_count else f'{value:.3f}'


def _jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format='JPEG', quality=88)
    return buffer.getvalue()


def _png_uri(content: bytes) -> str:
    return _uri(content, 'png')


def _uri(content: bytes, kind: str) -> str:
    text = base64.b64encode(content).decode('ascii')
    return f'data:image/{kind};base64,{text}'
