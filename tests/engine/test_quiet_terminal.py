"""What the terminal shows of the libraries."""

from __future__ import annotations

import subprocess
import sys

IMPORTS = """
from convmae_mm.engine.quiet_terminal import hush_imports
hush_imports()
import mmdet.datasets, mmdet.evaluation, mmpretrain.datasets, mmseg.datasets
from mmengine.logging import print_log
print_log('what is told')
"""


def test_packages_that_nobody_asked_for_are_not_told() -> None:
    """And what is meant to be told still is."""
    told = subprocess.run(
        [sys.executable, '-W', 'default::UserWarning', '-c', IMPORTS],
        check=True,
        capture_output=True,
        text=True,
    )
    assert 'what is told' in told.stdout
    for words in ('OneDL', 'faster_coco_eval'):
        assert words not in told.stdout + told.stderr
