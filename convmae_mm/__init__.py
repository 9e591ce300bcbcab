"""ConvMAE on OpenMMLab: masked pretraining, detection, segmentation.

Importing the package registers the backbone, so that ``type='ConvMAE'``
builds from the registries of mmdet, mmseg and mmpretrain, and imports none
of the three. Where mmcv has no compiled ops, it also arranges that those
needed come from torchvision, see ``convmae_mm.ops.mmcv_ops``, and that
checkpoints load without running code, see ``convmae_mm.engine.serialization``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _convmae_mm_mmcv import install as _supply_mmcv_ops

_supply_mmcv_ops()  # before anything imports mmcv

from . import engine  # noqa: E402
from .models.backbones import ConvMAE  # noqa: E402
from .version import __version__  # noqa: E402

if TYPE_CHECKING:
    from .apis.load import load

__all__ = ['ConvMAE', '__version__', 'engine', 'load']


def __getattr__(name: str) -> Any:
    """Import ``load`` when it is asked for: it needs all the rest."""
    if name == 'load':
        from .apis.load import load

        return load
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
