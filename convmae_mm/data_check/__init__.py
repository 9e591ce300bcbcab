"""Say what is missing, miscounted or misplaced in a data set.

``check_data`` does it for a folder; the command is ``convmae-mm data check``.
"""

from .class_folders import ClassFolders
from .config_check import check_config
from .detection import DetectionSet
from .examiner import Examiner
from .layouts import LAYOUTS, check_data, recognise
from .pictures import PictureFolder
from .report import Examined, Fault, Report
from .segmentation import SegmentationSet

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
