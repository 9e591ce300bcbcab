"""ConvMAE on OpenMMLab: masked pretraining, detection, segmentation.

Importing the package registers the backbone, so that ``type='ConvMAE'``
builds from the registries of mmdet, mmseg and mmpretrain, and imports none
of the three. Where mmcv has no compiled ops, it also arranges that those
needed come from torchvision, see ``convmae_mm.ops.mmcv_ops``, and that
checkpoints load without running code, see ``convmae_mm.engine.serialization``.
"""

from _convmae_mm_mmcv import install as _supply_mmcv_ops

_supply_mmcv_ops()  # before anything imports mmcv

from . import engine  # noqa: E402
from .models.backbones import ConvMAE  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ['ConvMAE', '__version__', 'engine']
