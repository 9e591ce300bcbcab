"""Check a data set in a known layout, or its parts one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convmae_mm.errors import ConfigError

from .examiner import Examiner
from .layouts import LAYOUTS, Part, recognise
from .report import Report

OWN_LAYOUT = 'own'


def check_data(
    root: str | Path,
    layout: str | None = None,
    parts: Sequence[Part] = (),
    examiner: Examiner | None = None,
) -> Report:
    """Find out what is wrong with a data set.

    Args:
        root: Its folder.
        layout: One of ``LAYOUTS``; by default the public set that the folder
            looks like.
        parts: Check these instead of a layout's, for a set with places and
            names of its own.
        examiner: Decides how many files are opened; by default 500 of each
            part.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ConfigError: If there is no such layout, or none can be recognised.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f'data set {root} does not exist')
    if parts and layout is not None:
        raise ConfigError(
            f'{layout=} and parts of your own exclude each other'
        )
    if layout not in (None, *LAYOUTS):
        raise ConfigError(f'{layout=} must be one of {sorted(LAYOUTS)}')
    name = OWN_LAYOUT if parts else layout or recognise(root)
    report = Report(root=str(root), layout=name)
    for part in parts or LAYOUTS[name](root, report):
        part.check(report, examiner or Examiner())
    return report
