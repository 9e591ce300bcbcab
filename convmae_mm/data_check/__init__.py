"""Say what is missing, miscounted or misplaced in a data set.

``check_data`` does it for a folder; the command is ``convmae-mm data check``.
"""

from .config_check import check_config
from .layouts import LAYOUTS, check_data, recognise
from .parts import (
    ClassFolders,
    DetectionSet,
    PictureFolder,
    SegmentationSet,
)
from .report import Examined, Examiner, Fault, Report

__all__ = [
    'LAYOUTS',
    'ClassFolders',
    'DetectionSet',
    'Examined',
    'Examiner',
    'Fault',
    'PictureFolder',
    'Report',
    'SegmentationSet',
    'check_config',
    'check_data',
    'recognise',
]
