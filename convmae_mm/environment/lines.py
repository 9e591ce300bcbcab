"""The two OpenMMLab lines: which distributions each consists of.

Both give the same import names, so one environment can hold only one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenMMLabLine:
    """One set of distributions that belong together.

    Attributes:
        name: What the Makefile calls it (``LINE=...``).
        distributions: Import name -> distributions that provide it, the one
            that the set-up installs first.
        mmcv_source: The requirement whose source distribution has the ops.
    """

    name: str
    distributions: dict[str, tuple[str, ...]]
    mmcv_source: str

    @property
    def all_distributions(self) -> list[str]:
        """Every distribution of the line, alternatives included."""
        return [x for names in self.distributions.values() for x in names]


MAINTAINED = OpenMMLabLine(
    name='maintained',
    distributions={
        'mmengine': ('onedl-mmengine',),
        'mmcv': ('onedl-mmcv',),
        'mmdet': ('onedl-mmdetection',),
        'mmseg': ('onedl-mmsegmentation',),
        'mmpretrain': ('onedl-mmpretrain',),
    },
    mmcv_source='onedl-mmcv==2.3.6',
)
ORIGINAL = OpenMMLabLine(
    name='original',
    distributions={
        'mmengine': ('mmengine', 'mmengine-lite'),
        'mmcv': ('mmcv-lite', 'mmcv'),
        'mmdet': ('mmdet',),
        'mmseg': ('mmsegmentation',),
        'mmpretrain': ('mmpretrain',),
    },
    mmcv_source='mmcv==2.1.0',
)
LINES = (MAINTAINED, ORIGINAL)

# What both lines were tried with; to be installed in one command.
TRIED_TORCH = 'torch==2.11.0 torchvision==0.26.0'


def compile_mmcv_command(installed: Collection[str]) -> str:
    """What to type to get an mmcv with compiled ops.

    Without isolation, because mmcv compiles its ops only where it finds
    torch; without cache, because pip keeps the wheel that it built without.

    Args:
        installed: Names of the installed distributions, which tell the line.
    """
    line = MAINTAINED if 'onedl-mmcv' in installed else ORIGINAL
    commands = ['pip install ninja psutil']
    if 'mmcv-lite' in installed:
        commands.append('pip uninstall -y mmcv-lite')
    commands.append(
        'pip install --no-build-isolation --no-deps --no-cache-dir '
        f'--force-reinstall {line.mmcv_source}'
    )
    return ' && '.join(commands)
