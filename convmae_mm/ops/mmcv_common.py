"""What the substitutes of mmcv's ops share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convmae_mm.environment import compile_mmcv_command, installed_versions


def missing(what: str) -> NotImplementedError:
    """The error for an op without substitute; says how to compile mmcv."""
    command = compile_mmcv_command(installed_versions())
    return NotImplementedError(
        f'mmcv was installed without compiled ops, and {what} has no '
        'substitute in convmae_mm. To compile mmcv (10 to 20 minutes, needs '
        f'a C++ compiler, for GPUs nvcc too): {command}'
    )


def at_least_float32(x: Tensor) -> Tensor:
    """In single precision, unless it is in double."""
    # torchvision has no half precision kernel on CPU, and mixed precision
    # training runs these ops in float32 with torchvision anyway.
    return x if x.dtype == torch.float64 else x.float()


def gradients(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad_output: Tensor,
) -> Sequence[Tensor]:
    """Gradients of ``inputs``, from computing ``function`` once more."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    with torch.enable_grad():
        output = function(*leaves)
    return torch.autograd.grad(output, leaves, grad_output.to(output.dtype))
