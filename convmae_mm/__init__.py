"""ConvMAE on OpenMMLab: masked pretraining, detection, segmentation.

Importing the package registers the backbone, so that ``type='ConvMAE'``
builds from the registries of mmdet, mmseg and mmpretrain, and imports none
of the three.
"""

from .models.backbones import ConvMAE
from .version import __version__

__all__ = ['ConvMAE', '__version__']
