"""A training whose numbers are not finite any more ends, with a reason."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, is_distributed
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from convmae_mm.engine.finite import (
    NotFiniteError,
    are_finite,
    first_not_finite,
    has_finite_loss,
    not_finite,
)
from convmae_mm.engine.random_streams import seed_step
from convmae_mm.errors import ConfigError
from convmae_mm.registry import HOOKS


@HOOKS.register_module()
class FiniteTrainingHook(Hook):
    """Leave out steps that are not finite; stop when it is no accident.

    A step is bad if a loss, or a gradient, is infinite or NaN. Such gradients
    do not reach the weights. The training stops if the weights are to blame,
    because a batch that was sound before has no finite loss any more, or
    after ``max_bad_steps`` in a row; it says which loss it was and in which
    module it began. Overflows of the loss scaler of mixed precision are no
    bad steps as long as it can go lower. No weights are saved that are not
    finite.

    Args:
        max_bad_steps: How many bad steps in a row end the training.
    """

    # Before the hook that writes checkpoints.
    priority = 'HIGH'

    def __init__(self, max_bad_steps: int = 5) -> None:
        if max_bad_steps < 1:
            raise ConfigError(f'{max_bad_steps=} must be at least 1')
        self.max_bad_steps = max_bad_steps
        self._bad_steps = 0
        self._left_out = False
        self._scales: list[float] = []
        self._sound_batch: Any = None

    def before_train(self, runner: Runner) -> None:
        """Look at the gradients before each step of an optimiser."""
        self._scales = [_scale(x) for x in _wrappers(runner)]
        for wrapper in _wrappers(runner):
            # A scaler leaves out bad steps by itself.
            if not hasattr(wrapper, 'loss_scaler'):
                wrapper.optimizer.register_step_pre_hook(self._before_step)

    def _before_step(
        self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any
    ) -> None:
        parameters = [x for g in optimizer.param_groups for x in g['params']]
        grads = [x.grad for x in parameters if x.grad is not None]
        if not are_finite(grads):
            self._left_out = True
            for parameter in parameters:
                parameter.grad = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Count bad steps.

        Raises:
            NotFiniteError: If there were too many, or the weights are lost.
        """
        losses = {k: v for k, v in (outputs or {}).items() if 'loss' in k}
        bad_losses = not_finite(losses)
        bad = bool(bad_losses) or self._left_out or self._has_exhausted(runner)
        self._left_out = False
        if not _in_any_process(bad):
            self._sound_batch = data_batch
            if all(wrapper.should_update() for wrapper in _wrappers(runner)):
                self._bad_steps = 0
            return
        self._bad_steps += 1
        values = ', '.join(
            f'{k} is {float(losses[k].detach())}' for k in bad_losses
        )
        what = values or 'a gradient is not finite'
        lost = not_finite(_state(runner))
        if lost:
            what += _name_lost(lost)
        elif self._weights_are_bad(runner):
            what += '; so it is for a batch that was sound before'
        elif self._bad_steps >= self.max_bad_steps:
            what += f'; bad step {self._bad_steps} in a row'
            what += _name_pictures(data_batch)
        else:
            runner.logger.warning(
                f'iteration {runner.iter + 1} is left out, {what}: bad step '
                f'{self._bad_steps} in a row of {self.max_bad_steps} allowed'
            )
            return
        raise NotFiniteError(
            _tell(runner, f'{what}; {_diagnose(runner, data_batch)}')
        )

    def after_train(self, runner: Runner) -> None:
        """Do not end well if there was no good step.

        Raises:
            NotFiniteError: If there was none.
        """
        if self._bad_steps and self._sound_batch is None:
            what = f'all its {self._bad_steps} steps were not finite'
            raise NotFiniteError(_tell(runner, what))

    def _has_exhausted(self, runner: Runner) -> bool:
        """Whether a loss scaler overflows and can hardly go lower."""
        scales = [_scale(x) for x in _wrappers(runner)]
        pairs = zip(scales, self._scales, strict=True)
        self._scales = scales
        return any(new < old and new < 1 for new, old in pairs)

    def _weights_are_bad(self, runner: Runner) -> bool:
        """Whether they give what was sound before no finite loss."""
        if self._sound_batch is None:
            return False
        seed_step(runner.seed, runner.iter)
        wrapper = _wrappers(runner)[0]
        finite = has_finite_loss(runner.model, wrapper, self._sound_batch)
        return _in_any_process(not finite)

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to write weights that are not finite.

        Raises:
            NotFiniteError: Names the tensors.
        """
        for key in ('state_dict', 'ema_state_dict'):
            lost = not_finite(checkpoint.get(key) or {})
            if lost:
                raise NotFiniteError(_tell(runner, _name_lost(lost)[2:]))


def _name_lost(lost: Sequence[str]) -> str:
    return f'; {len(lost)} tensors are not finite, the first {lost[0]}'


def _name_pictures(data_batch: Any) -> str:
    samples = (
        data_batch.get('data_samples') if isinstance(data_batch, dict) else ()
    )
    paths = [str(x.get('img_path', '?')) for x in samples or ()]
    more = f' and {len(paths) - 3} more' if len(paths) > 3 else ''
    return f', of {", ".join(paths[:3])}{more}' if paths else ''


def _tell(runner: Runner, what: str) -> str:
    rates = [x for group in runner.optim_wrapper.get_lr().values()
             for x in group]  # fmt: skip
    written = (getattr(hook, 'last_ckpt', None) for hook in runner.hooks)
    resumed = runner.cfg.get('load_from') if runner.cfg.get('resume') else None
    last = next(filter(None, written), resumed)
    kept = (
        f'The last finite checkpoint is {last}.'
        if last
        else 'It has written no checkpoint yet.'
    )
    return (
        f'the training stopped in iteration {runner.iter + 1}: {what}. {kept} '
        f'Lower the learning rate (now up to {max(rates, default=0):.3g}), '
        'clip the gradients (--cfg-options optim_wrapper.clip_grad.max_norm='
        '1) or look at the data, and go on with --resume'
    )


def _diagnose(runner: Runner, data_batch: Any) -> str:
    wrapper = _wrappers(runner)[0]
    seed_step(runner.seed, runner.iter)
    try:
        return first_not_finite(runner.model, wrapper, data_batch)
    # Whatever it is, it must not hide what is to be told.
    except Exception as error:
        runner.logger.log(logging.DEBUG, 'diagnosis', exc_info=error)
        return f'where it began is not known ({type(error).__name__})'


def _wrappers(runner: Runner) -> list[OptimWrapper]:
    wrapper = runner.optim_wrapper
    return list(getattr(wrapper, 'optim_wrappers', {'': wrapper}).values())


def _scale(wrapper: OptimWrapper) -> float:
    scaler = getattr(wrapper, 'loss_scaler', None)
    return 1.0 if scaler is None else float(scaler.get_scale())


def _state(runner: Runner) -> dict[str, Tensor]:
    model = runner.model
    model = model.module if is_model_wrapper(model) else model
    state: dict[str, Tensor] = model.state_dict()
    return state


def _in_any_process(bad: bool) -> bool:
    """Whether a process saw it; then all have to do the same."""
    if not is_distributed():
        return bad
    flag = torch.tensor(float(bad), device=get_device())
    all_reduce(flag, 'max')
    return bool(flag)
