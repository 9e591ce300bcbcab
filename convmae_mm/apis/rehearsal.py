"""One training batch and two of validation or test, before the first step.

What would end a training after its first epoch ends it here: pictures of sizes
that fit no batch, a last batch of one, annotations that an evaluator cannot
read, a score that ``save_best`` will not find.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner, TestLoop, ValLoop, autocast
from torch.utils.data import BatchSampler

from convmae_mm.datasets.image_files import header_size
from convmae_mm.errors import ConfigError, DataError, UserError

# Pictures among which the most different are looked for, by their headers.
NUM_CANDIDATES = 64
# Without a GPU a batch is cut to this many: seconds, and sizes still differ.
MOST_ON_CPU = 4
PLAIN_SAMPLERS = (DefaultSampler, InfiniteSampler)
ONE_CHANNEL = (
    'if the head has one channel (out_channels=1), set its '
    'loss_decode.use_sigmoid=True and sampler=None'
)
# Words of the libraries, and what helps.
REMEDIES = {
    'bounds for dimension 1 with size 1': ONE_CHANNEL,
    'Target 1 is out of bounds': ONE_CHANNEL,
    'more than 1 value per channel': 'BatchNorm needs two: set '
    'train_dataloader.drop_last=True or another batch_size',
    'stack expects each tensor': 'pictures of different sizes fit no batch: '
    'crop or resize them to one size in the pipeline, or pad them in the '
    'data_preprocessor',
    'image size in a batch': 'pictures of different sizes fit no batch: '
    'resize them to one size in the pipeline, or set batch_size=1',
}


class RehearsalError(DataError, ConfigError):
    """What a training would have met later."""


class Rehearsal(Hook):
    """Try a batch of training and two of validation, and change nothing.

    A copy of the model is used, and the states of all generators are
    restored: the training goes on as if this had not been. Pictures are the
    most different in size among a sample.
    """

    def before_train(self, runner: Runner) -> None:
        """Do it.

        Raises:
            RehearsalError: If something fails; in the words of the library,
                with what was tried and, where it is known, what helps.
        """
        start = time.perf_counter()
        wrapped = is_model_wrapper(runner.model)
        original = runner.model.module if wrapped else runner.model
        with _unchanged(), _quiet(), torch.no_grad():
            model = copy.deepcopy(original)
            _rehearse_training(runner, model)
            _rehearse_validation(runner, model)
        del model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        seconds = time.perf_counter() - start
        print_log(
            'A training and two validation batches were tried before the '
            f'first step, in {seconds:.1f} s',
            logger='current',
        )


class TestRehearsal(Hook):
    """Try the two batches of a test whose pictures differ most in size.

    A test of hours would meet at its end what the evaluator cannot read.
    """

    def before_test(self, runner: Runner) -> None:
        """Do it.

        Raises:
            RehearsalError: If something fails.
        """
        loop = runner.test_loop
        if type(loop) is not TestLoop:
            return
        wrapped = is_model_wrapper(runner.model)
        model = runner.model.module if wrapped else runner.model
        with _unchanged(), _quiet(), torch.no_grad():
            _rehearse_scoring(loop, model, 'test', 'a test of two batches')


def _rehearse_training(runner: Runner, model: Any) -> None:
    if getattr(type(model), 'train_step', None) is not BaseModel.train_step:
        return  # a training of its own kind, with several losses or optimisers
    loader = runner.train_dataloader
    dataset, batch = loader.dataset, _batch_size(loader)
    sizes = [_at_once(batch)]
    drawn = _drawn(runner, dataset, batch)
    each = math.ceil(len(dataset) / get_world_size())
    endless = 'Infinite' in type(loader.sampler).__name__
    plain = type(loader.batch_sampler) is BatchSampler and not drawn
    if plain and not (endless or loader.drop_last):
        if each % batch == 1 < each:
            sizes.append(1)
    model.train()
    for size in sizes:
        indices = drawn or most_different(dataset, size)
        rest = f' (the last of an epoch of {each:,})' if size < batch else ''
        what = f'a training batch of {size}{rest}'
        with _told(what, 'train', dataset, indices), _same_pipelines(dataset):
            data = loader.collate_fn([dataset[i] for i in indices])
            with runner.optim_wrapper.optim_context(model):
                data = model.data_preprocessor(data, True)
                losses = model._run_forward(data, mode='loss')
                _, logged = model.parse_losses(losses)
            bad = [k for k, v in logged.items() if not torch.isfinite(v).all()]
            if bad:
                raise DataError(
                    f'{", ".join(bad)} is not finite before any step: are '
                    'the pixels, labels and loaded weights?'
                )


def _drawn(runner: Runner, dataset: Any, batch: int) -> list[int]:
    """A batch as a sampler of its own kind draws it; empty for plain ones.

    Such as pictures with and without labels in a stated proportion. The
    sampler of the training itself is left where it is.
    """
    cfg = (runner.cfg.get('train_dataloader') or {}).get('sampler')
    sampler = runner.train_dataloader.sampler
    if type(sampler) in PLAIN_SAMPLERS or not isinstance(cfg, Mapping):
        return []
    again = DATA_SAMPLERS.build(
        dict(cfg), default_args=dict(dataset=dataset, seed=0)
    )
    return [int(x) for x in itertools.islice(iter(again), batch)]


def _rehearse_validation(runner: Runner, model: Any) -> None:
    if type(runner.val_loop) is not ValLoop:
        return
    what = 'a validation of two batches'
    _rehearse_scoring(
        runner.val_loop, model, 'val', what, partial(_check_watched, runner)
    )


def _rehearse_scoring(
    loop: Any,
    model: Any,
    split: str,
    what: str,
    check: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """Score two batches, and ask for the scores; the evaluator forgets."""
    loader = loop.dataloader
    dataset, batch = loader.dataset, _at_once(_batch_size(loader))
    model.eval()
    indices = most_different(dataset, 2 * batch)
    with (
        _told(what, split, dataset, indices),
        _same_pipelines(dataset),
        autocast(enabled=loop.fp16),
    ):
        for start in range(0, len(indices), batch):
            part = indices[start : start + batch]
            data = loader.collate_fn([dataset[i] for i in part])
            found = getattr(model, f'{split}_step')(data)
            loop.evaluator.process(data_samples=found, data_batch=data)
        metrics = loop.evaluator.metrics
        try:
            # what somebody asked to have written is of the whole set
            loop.evaluator.metrics = [x for x in metrics if not _writes(x)]
            scores = loop.evaluator.evaluate(len(indices))
        finally:
            loop.evaluator.metrics = metrics
            for metric in metrics:
                metric.results.clear()
        if check is not None:
            check(scores)


def _writes(metric: Any) -> bool:
    """Whether a metric writes files when it is asked for scores."""
    return (
        isinstance(metric, DumpResults)
        or getattr(metric, 'format_only', False)
        or getattr(metric, 'outfile_prefix', None) is not None
    )


def _check_watched(runner: Runner, scores: Mapping[str, Any]) -> None:
    """Scores that hooks wait for must exist.

    A network that has learned nothing may find nothing, and then some
    metrics give no scores at all: that tells nothing.
    """
    if not scores:
        return
    for hook in runner.hooks:
        watched = getattr(hook, 'save_best', None) or getattr(
            hook, 'monitor', None
        )
        names = [watched] if isinstance(watched, str) else watched or []
        unknown = [x for x in names if x != 'auto' and x not in scores]
        if unknown:
            raise ConfigError(
                f'{type(hook).__name__} waits for {unknown}, but the scores '
                f'are {sorted(scores)}: set save_best (or monitor) to one of '
                "them, or save_best='auto'"
            )


def _batch_size(loader: Any) -> int:
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)
    return int(size)


def _at_once(batch: int) -> int:
    return batch if torch.cuda.is_available() else min(batch, MOST_ON_CPU)


def most_different(dataset: Any, number: int) -> list[int]:
    """Indices of pictures whose shapes differ most, the extremes in turn."""
    length = len(dataset)
    some = np.linspace(0, length - 1, min(length, NUM_CANDIDATES))
    candidates = sorted({int(x) for x in some})
    shapes = {index: _shape(dataset, index) for index in candidates}
    ordered = sorted(candidates, key=lambda index: shapes[index])
    turns: list[int] = []
    while ordered:
        turns.append(ordered.pop(0 if len(turns) % 2 == 0 else -1))
    more = [x for x in range(length) if x not in shapes]
    return (turns + more[: max(0, number - len(turns))])[:number]


def _shape(dataset: Any, index: int) -> tuple[float, float]:
    """(elongation, area) of a picture; zeros if that is unknown."""
    try:
        info = dataset.get_data_info(index)
    except Exception:  # not every data set can tell without reading
        return 0.0, 0.0
    if 'width' in info and 'height' in info:
        size = info['width'], info['height']
    else:
        size = header_size(str(info.get('img_path', ''))) or (0, 0)
    if not min(size):
        return 0.0, 0.0
    return round(math.log(size[0] / size[1]), 2), float(size[0] * size[1])


@contextlib.contextmanager
def _told(
    what: str, split: str, dataset: Any, indices: Sequence[int]
) -> Iterator[None]:
    """Say what was tried when it fails."""
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        text = ' '.join(str(error).split()).rstrip('.') or 'no words'
        words = (
            text
            if isinstance(error, UserError)
            else (f'{type(error).__name__}: {text}')
        )
        helps = next((v for k, v in REMEDIES.items() if k in text), None)
        tried = ', '.join(_name(dataset, index) for index in indices[:4])
        raise RehearsalError(
            f'{split}: {what} was tried before the first step and fails: '
            f'{words}{f". {helps}" if helps else ""} (with {tried}; '
            '--no-check leaves the trial out)'
        ) from error


def _name(dataset: Any, index: int) -> str:
    try:
        return str(dataset.get_data_info(index)['img_path'])
    except Exception:  # a data set without files
        return f'number {index}'


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    """Leave all random generators as they are."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if gpus:
            torch.cuda.set_rng_state_all(gpus)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Scores of two batches are no scores to be shown."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _same_pipelines(dataset: Any) -> Iterator[None]:
    """Transforms may keep pictures and generators: use copies of them."""
    kept: list[tuple[Any, Any]] = []

    def replace(part: Any) -> None:
        if hasattr(part, 'pipeline'):
            kept.append((part, part.pipeline))
            part.pipeline = copy.deepcopy(part.pipeline)
        for inner in (
            *getattr(part, 'datasets', ()),
            getattr(part, 'dataset', None),
        ):
            if inner is not None:
                replace(inner)

    try:
        replace(dataset)
        yield
    finally:
        for part, pipeline in kept:
            part.pipeline = pipeline
