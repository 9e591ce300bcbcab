"""Substitutes for the ops of ``mmcv._ext``, where it was not compiled.

``_convmae_mm_mmcv`` (see there) makes ``mmcv._ext`` of these functions. Their
names, arguments and meaning are those of mmcv's C++ ops, which write into
tensors of the caller. They are what the configs of mmdet, mmseg and mmpretrain
ask for; docs/installation.md names the few that are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import mmcv_losses, mmcv_regions, mmcv_sampling
from .mmcv_common import missing

__all__ = ['get_op']


def get_compiler_version() -> str:
    """What mmcv's ``collect_env`` prints for the compiler."""
    return 'none (ops substituted from torchvision by convmae_mm)'


def get_compiling_cuda_version() -> str:
    """What mmcv's ``collect_env`` prints for the CUDA compiler."""
    return 'none'


OPS: dict[str, Callable[..., Any]] = {
    op.__name__: op
    for op in (
        mmcv_regions.nms,
        mmcv_regions.softnms,
        mmcv_regions.nms_match,
        mmcv_regions.roi_align_forward,
        mmcv_regions.roi_align_backward,
        mmcv_regions.roi_pool_forward,
        mmcv_regions.roi_pool_backward,
        mmcv_losses.sigmoid_focal_loss_forward,
        mmcv_losses.sigmoid_focal_loss_backward,
        mmcv_losses.softmax_focal_loss_forward,
        mmcv_losses.softmax_focal_loss_backward,
        mmcv_sampling.deform_conv_forward,
        mmcv_sampling.deform_conv_backward_input,
        mmcv_sampling.deform_conv_backward_parameters,
        mmcv_sampling.modulated_deform_conv_forward,
        mmcv_sampling.modulated_deform_conv_backward,
        mmcv_sampling.ms_deform_attn_forward,
        mmcv_sampling.ms_deform_attn_backward,
        mmcv_sampling.carafe_forward,
        mmcv_sampling.carafe_backward,
        mmcv_sampling.psamask_forward,
        mmcv_sampling.psamask_backward,
        mmcv_sampling.masked_im2col_forward,
        mmcv_sampling.masked_col2im_forward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}


def get_op(name: str) -> Callable[..., Any]:
    """The substitute for the op ``name`` of ``mmcv._ext``.

    Raises:
        NotImplementedError: If there is none; says how to compile mmcv.
    """
    if name not in OPS:
        raise missing(f'its op {name!r}')
    return OPS[name]
