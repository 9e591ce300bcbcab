"""Focal losses for mmcv (Lin et al., ICCV 2017), see ``mmcv_ops``.

The libraries take these on GPUs only; on CPUs they have formulas of their own.

Legend: N predictions, C classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .mmcv_common import gradients


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Binary focal loss of every class.

    Args:
        input: Logits (N, C).
        target: Class (N,) of each prediction; none of 0..C - 1: background.
        weight: (C,), of the predictions of each class; empty: all 1.
        output: (N, C), written here.
        gamma: How much easy predictions count less.
        alpha: Share of the positive class.
    """
    output.copy_(_sigmoid_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each loss by its logit, written to ``grad_input``."""
    loss = partial(
        _sigmoid_focal_loss,
        target=target,
        weight=weight,
        gamma=gamma,
        alpha=alpha,
    )
    grad_input.copy_(gradients(loss, [input], torch.ones_like(input))[0])


def _sigmoid_focal_loss(
    input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    from torchvision.ops import sigmoid_focal_loss

    classes = torch.arange(input.shape[1], device=input.device)
    positive = (target[:, None] == classes).to(input.dtype)
    loss: Tensor = sigmoid_focal_loss(input, positive, alpha, gamma)
    return loss * _weights(weight, target)[:, None]


def softmax_focal_loss_forward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Focal loss of the class that is right.

    Args:
        softmax: Probabilities (N, C).
        target: Class (N,); negative ones have no loss.
        weight: (C,), of the predictions of each class; empty: all 1.
        output: (N,), written here.
        gamma: How much easy predictions count less.
        alpha: Factor on the loss.
    """
    p = _right(softmax, target)
    loss = -alpha * (1 - p) ** gamma * _log(p)
    output.copy_(torch.where(target < 0, 0, loss * _weights(weight, target)))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each loss by its logits.

    Args:
        softmax: As in the forward pass, like target and weight.
        target: See there.
        weight: See there.
        buff: (N,), derivative by the logarithm of the probability, written
            here.
        grad_input: (N, C), written here.
        gamma: See there.
        alpha: See there.
    """
    p = _right(softmax, target)
    slope = gamma * (1 - p) ** (gamma - 1) * p * _log(p) - (1 - p) ** gamma
    slope = alpha * slope * _weights(weight, target)
    buff.copy_(torch.where(target < 0, 0, slope))
    classes = torch.arange(softmax.shape[1], device=softmax.device)
    right = (target[:, None] == classes).to(softmax.dtype)
    grad_input.copy_(buff[:, None] * (right - softmax))


def _right(softmax: Tensor, target: Tensor) -> Tensor:
    """The probability (N,) of the right class."""
    return softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]


def _log(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()


def _weights(weight: Tensor, target: Tensor) -> Tensor:
    """The weight (N,) of each prediction; background has 1."""
    if not weight.numel():
        return weight.new_ones(target.shape)
    known = (target >= 0) & (target < len(weight))
    of_class = weight[target.clamp(0, len(weight) - 1)]
    return torch.where(known, of_class, 1)
