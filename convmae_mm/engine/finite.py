"""Numbers that are not finite: find them, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from convmae_mm.errors import UserError


class NotFiniteError(UserError, ArithmeticError):
    """A training whose numbers are infinite, or no numbers, for good."""


def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no value is infinite or NaN; integers always are finite."""
    floats = [x.detach() for x in tensors if x.is_floating_point()]
    # One pass and one number for each tensor: a sum is finite only if all
    # its terms are. The converse fails where the sum itself overflows.
    sums = [x.sum(dtype=torch.promote_types(x.dtype, torch.float32))
            for x in floats]  # fmt: skip
    if not sums:
        return True
    device = sums[0].device
    total = torch.stack([x.to(device, torch.float64) for x in sums])
    return bool(total.isfinite().all()) or all(
        bool(x.isfinite().all()) for x in floats
    )


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """The names of tensors that hold a value which is not finite."""
    named = {k: v for k, v in tensors.items() if isinstance(v, Tensor)}
    if are_finite(named.values()):
        return []
    return [name for name, x in named.items() if not are_finite([x])]


def has_finite_loss(
    model: nn.Module, optim_wrapper: OptimWrapper, data_batch: Any
) -> bool:
    """Whether the weights, as they are, give a batch a finite loss."""
    with torch.no_grad():
        return are_finite([_loss(_bare(model), optim_wrapper, data_batch)])


def first_not_finite(
    model: nn.Module, optim_wrapper: OptimWrapper, data_batch: Any
) -> str:
    """Repeat a training step up to its gradients and tell where it breaks.

    Args:
        model: As the runner has it; its gradients are lost.
        optim_wrapper: Whose precision and loss scale to compute with.
        data_batch: The batch as the loader gave it.

    Returns:
        The module in words, or that the step is sound this time.
    """
    bare = _bare(model)
    bare.zero_grad(set_to_none=True)
    with _Watch(bare) as watch:
        loss = _loss(bare, optim_wrapper, data_batch)
        if not watch.output:
            scaler = getattr(optim_wrapper, 'loss_scaler', None)
            scale = 1.0 if scaler is None else scaler.get_scale()
            (loss * scale).backward()
    if watch.output:
        return f'the first output that is not finite is that of {watch.output}'
    if watch.gradient:
        return (
            'all outputs are finite; the first gradient that is not, on its '
            f'way back, is that at the output of {watch.gradient}'
        )
    if not are_finite([loss]):
        return 'all outputs are finite, the loss that is made of them is not'
    broken = not_finite({k: p.grad for k, p in bare.named_parameters()})
    if broken:
        return f'the first gradient that is not finite is that of {broken[0]}'
    return 'the same step is finite when it is repeated'


def _bare(model: nn.Module) -> Any:
    return model.module if is_model_wrapper(model) else model


def _loss(model: Any, optim_wrapper: OptimWrapper, data_batch: Any) -> Tensor:
    """The loss as ``train_step`` of mmengine's models computes it."""
    with optim_wrapper.optim_context(model):
        data = model.data_preprocessor(data_batch, True)
        losses = model._run_forward(data, mode='loss')
    loss: Tensor = model.parse_losses(losses)[0]
    return loss


class _Watch:
    """Notes the first module whose output, or its gradient, is not finite.

    A module ends before the one that it is part of, so the first to be noted
    is the innermost.
    """

    def __init__(self, model: nn.Module) -> None:
        self.output = ''
        self.gradient = ''
        self._handles = [
            module.register_forward_hook(partial(self._note, name))
            for name, module in model.named_modules()
            if name
        ]

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _note(
        self, name: str, module: nn.Module, args: Any, output: Any
    ) -> None:
        text = f'{name} ({type(module).__name__})'
        for tensor in _tensors(output):
            if not self.output and not are_finite([tensor]):
                self.output = text
            if tensor.requires_grad:
                tensor.register_hook(partial(self._note_gradient, text))

    def _note_gradient(self, text: str, gradient: Tensor) -> None:
        if not self.gradient and not are_finite([gradient]):
            self.gradient = text


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from _tensors(tuple(output.values()))
    elif isinstance(output, (list, tuple)):
        for part in output:
            yield from _tensors(part)
