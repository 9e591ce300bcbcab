"""What is loaded fits the model, or nothing is done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from convmae_mm.checkpoint import CheckpointError
from convmae_mm.engine.finite import not_finite
from convmae_mm.errors import ConfigError
from convmae_mm.registry import HOOKS

# What wrappers put before the names: DistributedDataParallel, torch.compile.
PREFIXES = ('module.', '_orig_mod.')


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Stop unless a loaded checkpoint fits the model.

    mmengine logs what does not fit and carries on with random weights in its
    place. A resume, and a test, demand every tensor. A training that starts
    from ``load_from`` demands a share of the model's weights, so that a
    detector of other classes may start one, and logs what became of each
    tensor. Prefixes of wrappers are taken off the names. Weights that are not
    finite are refused, those of an exponential average too. It comes before
    the hook for these averages, which exchanges the two by their names.

    Args:
        least_share: Of the model's weights that a start has to find in the
            file. 1 demands every tensor, and no other.
    """

    priority = 'VERY_HIGH'

    def __init__(self, least_share: float = 0.5) -> None:
        if not 0 < least_share <= 1:
            raise ConfigError(f'{least_share=} must be above 0 and at most 1')
        self.least_share = least_share

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Compare names, shapes and values before anything is loaded.

        Raises:
            CheckpointError: With what is missing, left over or of another
                shape.
        """
        try:
            self._check(runner, checkpoint)
        except CheckpointError as error:
            file = runner.cfg.get('load_from')
            raise CheckpointError(f'{file}: {error}') from None

    def _check(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        weights = checkpoint
        if isinstance(checkpoint, dict):
            weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, dict):
            raise CheckpointError(
                f'the checkpoint holds a {type(weights).__name__}, not a dict '
                'with weights'
            )
        for name in list(weights):
            weights[_bare(name)] = weights.pop(name)
        given = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
        averaged = checkpoint.get('ema_state_dict') or {}
        for name in list(averaged):
            # its 'module.' is what tells weights from the count of steps
            averaged[name.replace('_orig_mod.', '')] = averaged.pop(name)
        both = given | {k: v for k, v in averaged.items() if '.' in k}
        lost = not_finite(both)
        if lost:
            raise CheckpointError(
                f'{len(lost)} of {len(both)} tensors of the checkpoint are '
                f'not finite, the first {lost[0]}: it is of a training that '
                'had failed; take an earlier one'
            )
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        fit = _Fit(model.state_dict(), given)
        resumed = bool(runner.cfg.get('resume'))
        if fit.complaints and (resumed or self.least_share == 1):
            hint = (
                'To start from its weights instead: --cfg-options load_from='
                'FILE, without --resume'
                if resumed
                else 'Is it from another config?'
            )
            raise CheckpointError(
                f'the checkpoint does not fit {type(model).__name__}: '
                f'{fit.summary()}. {hint}'
            )
        if fit.share < self.least_share:
            raise CheckpointError(
                f'load_from: the file fills {fit.share:.0%} of the weights '
                f'of {type(model).__name__}, and {self.least_share:.0%} are '
                f'demanded; {fit.summary()}. Its entries are '
                f'{_few(list(checkpoint)) or "none"}. An encoder, or a '
                'released file, goes into --cfg-options '
                'model.backbone.init_cfg.checkpoint=FILE'
            )
        _check_classes(runner, checkpoint, resumed or self.least_share == 1)
        if fit.complaints:
            runner.logger.warning(f'load_from: {fit.report()}')
        if resumed:
            _check_optimizer(runner, checkpoint)


def _check_classes(
    runner: Runner, checkpoint: Mapping[str, Any], strict: bool
) -> None:
    """Compare what the outputs meant with what they are to mean.

    Raises:
        CheckpointError: If a resume or a test has other classes, or the same
            in another order.
    """
    meta = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
    loops = [getattr(runner, x) for x in ('_train_loop', '_test_loop')]
    loaders = [getattr(loop, 'dataloader', None) for loop in loops]
    datasets = [x.dataset for x in loaders if x is not None]
    own = getattr(datasets[0], 'metainfo', {}) if datasets else {}
    before, now = meta.get('classes'), own.get('classes')
    if not before or not now or list(before) == list(now):
        return
    text = (
        f'the classes of the checkpoint are {_few(before)}, those of the '
        f'config {_few(now)}'
    )
    if strict:
        raise CheckpointError(
            f'{text}: its outputs would get other names. Give the config '
            'the classes of the checkpoint, in their order'
        )
    if set(before) == set(now):
        runner.logger.warning(f'load_from: {text}, in another order')


class _Fit:
    """Names and shapes of a file beside those of a model."""

    def __init__(
        self, expected: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> None:
        common = expected.keys() & given.keys()
        other = [k for k in expected if k in common
                 and expected[k].shape != given[k].shape]  # fmt: skip
        self.complaints = {
            kind: names
            for kind, names in {
                'missing': [k for k in expected if k not in common],
                'unknown': [k for k in given if k not in common],
                'of another shape': [
                    f'{k} {tuple(given[k].shape)} instead of '
                    f'{tuple(expected[k].shape)}'
                    for k in other
                ],
            }.items()
            if names
        }
        self.loaded = len(common) - len(other)
        total = sum(x.numel() for x in expected.values())
        loaded = sum(expected[k].numel() for k in common - set(other))
        self.share = loaded / max(total, 1)

    def summary(self) -> str:
        """How many of each kind, and which, on one line."""
        return '; '.join(
            f'{len(names)} {kind}: {_few(names)}'
            for kind, names in self.complaints.items()
        )

    def report(self) -> str:
        """What became of every tensor, on lines."""
        lines = [f'{self.loaded} tensors loaded, {self.share:.1%} of weights']
        for kind, names in self.complaints.items():
            lines.append(f'{len(names)} {kind}:')
            lines += [f'  {name}' for name in names]
        return '\n'.join(lines)


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition('.')[2]
    return name.replace('._orig_mod.', '.')


def _few(names: Sequence[str], number: int = 4) -> str:
    more = f' and {len(names) - number} more' if len(names) > number else ''
    return ', '.join(map(str, names[:number])) + more


def _check_optimizer(runner: Runner, checkpoint: Mapping[str, Any]) -> None:
    """Refuse states of other sizes, which end in a segmentation fault.

    Raises:
        CheckpointError: If the groups or the shapes differ.
    """
    saved = checkpoint.get('optimizer')
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    if not isinstance(saved, Mapping) or optimizer is None:
        return
    groups = saved.get('param_groups', ())
    sizes = [len(x['params']) for x in groups]
    own = [len(x['params']) for x in optimizer.param_groups]
    if sizes != own:
        raise CheckpointError(
            'the optimiser of the checkpoint trains '
            f'{sum(sizes)} parameters in {len(sizes)} groups, that of the '
            f'config {sum(own)} in {len(own)}: the settings of optim_wrapper '
            'or what is frozen have changed. To start from its weights '
            'instead: --cfg-options load_from=FILE, without --resume'
        )
    numbers = {
        name
        for name, value in optimizer.defaults.items()
        if type(value) in (int, float, tuple)
    }
    lacking = sorted(numbers.difference(*groups))
    if lacking:
        raise CheckpointError(
            f'the optimiser of the checkpoint is no {type(optimizer).__name__}'
            f', as it has no {", ".join(lacking)}: take the optimizer that it '
            'was trained with. To start from its weights instead: '
            '--cfg-options load_from=FILE, without --resume'
        )
    parameters = [x for g in optimizer.param_groups for x in g['params']]
    indices = [x for g in groups for x in g['params']]
    for index, parameter in zip(indices, parameters, strict=True):
        for key, value in saved['state'].get(index, {}).items():
            if (
                isinstance(value, Tensor)
                and value.ndim
                and value.shape != parameter.shape
            ):
                raise CheckpointError(
                    f"the optimiser's {key} of parameter {index} has shape "
                    f'{tuple(value.shape)} in the checkpoint and '
                    f'{tuple(parameter.shape)} in the config: the model has '
                    'changed. To start from its weights instead: '
                    '--cfg-options load_from=FILE, without --resume'
                )
