"""Say what is missing, miscounted or misplaced in a data set.

``check_data`` does it for a folder; the command is ``convmae-mm data check``.
"""

from .class_folders import ClassFolders
from .config_check import check_config
from .detection_set import DetectionSet
from .layouts import LAYOUTS, check_data, recognise
from .picture_folder import PictureFolder
from .report import Examined, Examiner, Fault, Report
from .segmentation_set import SegmentationSet

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
