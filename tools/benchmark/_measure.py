"""Measure a piece of work: time, peak memory, counted FLOPs.

A :class:`Workload` is what is repeated; a *recipe* is a picklable object that
can build one, so that a process of its own can.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_STATUS = Path('/proc/self/status')
_CLEAR_REFS = Path('/proc/self/clear_refs')
# Of a training step, in forward passes. The counter is not asked about the
# backward pass: it overstates that of grouped convolutions a hundredfold.
TRAINING_FLOPS = 3


@dataclass(frozen=True)
class Workload:
    """One forward pass, or training step, that can be repeated.

    Attributes:
        model: What is trained.
        forward: The loss, or whatever stands for it, of one batch.
        images: Number of images in the batch.
        device: Where it runs.
        dtype: In which the matrix products run.
        optimizer: Steps after each backward pass, and has its state already,
            see :func:`make_optimizer`; no step if None.
        trains: Whether a step is forward, backward and optimizer.
        keeps_gradients: Whether the gradients of one step are there during
            the next, as where those of several are summed.
        flops_forward: The same as ``forward``, not compiled: what FLOPs are
            counted on. None if they are not.
    """

    model: nn.Module
    forward: Callable[[], Tensor]
    images: int
    device: torch.device
    dtype: torch.dtype
    optimizer: torch.optim.Optimizer | None = None
    trains: bool = True
    keeps_gradients: bool = False
    flops_forward: Callable[[], Tensor] | None = None

    def step(self) -> None:
        """Run once; what the step computes does not outlive it."""
        with self._autocast():
            if not self.trains:
                with torch.no_grad():
                    self.forward()
                return
            loss = self.forward()
        loss.backward()
        if self.optimizer is not None:
            self.optimizer.step()
        self.model.zero_grad(set_to_none=not self.keeps_gradients)

    def time_step(self) -> float:
        """Seconds of one step."""
        self.synchronize()
        start = time.perf_counter()
        self.step()
        self.synchronize()
        return time.perf_counter() - start

    def count_flops(self) -> int | None:
        """FLOPs of a step: counted on a forward pass, three for training.

        Attention is counted by its matrix products, whatever kernel runs.
        """
        if self.flops_forward is None:
            return None
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            with self._autocast(), counter:
                self.flops_forward()
        factor = TRAINING_FLOPS if self.trains else 1
        return factor * counter.get_total_flops()

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


class Recipe(Protocol):
    """How a workload is made, in this process or in another."""

    @property
    def labels(self) -> Mapping[str, str]:
        """What tells it from others, by the heading of its column."""

    def build(self) -> Workload:
        """Make the model and its input."""


@dataclass(frozen=True)
class Memory:
    """Peak memory of a setting that is alone in its process, in bytes.

    Attributes:
        peak: Resident size of the process on a CPU, what PyTorch's allocator
            gave out on a GPU.
        before: The same before the model was built: Python and its
            libraries. 0 on a GPU.
    """

    peak: int
    before: int


@dataclass(frozen=True)
class Measurement:
    """What one row of a table says.

    Attributes:
        labels: Of the recipe.
        memory: Peak of a step; None if that was not asked for.
        seconds: Of each run; empty if the memory alone was asked for.
        images: In the batch.
        flops: Of a step; None if they were not counted.
        matrix_rate: FLOP/s of one large matrix product in the same dtype.
        fits: Whether there was memory enough; nothing else is known if not.
    """

    labels: Mapping[str, str]
    memory: Memory | None = None
    seconds: tuple[float, ...] = ()
    images: int = 0
    flops: int | None = None
    matrix_rate: float = 0
    fits: bool = True


def measure(
    recipes: Sequence[Recipe], runs: int, warmup: int, with_memory: bool
) -> list[Measurement]:
    """Measure settings in turn: A B A B ... after the warm-up of each.

    What disturbs the machine for a while disturbs all of them. The memory of
    each comes from a process of its own, where it is alone. Recipes that do
    not fit into the memory say so, all of them.

    Args:
        recipes: The settings.
        runs: Measured runs of each; 0 for the memory alone.
        warmup: Runs of each before that.
        with_memory: Whether to measure the memory.
    """
    try:
        memories = [
            measure_memory(x) if with_memory else None for x in recipes
        ]
        workloads = [recipe.build() for recipe in recipes if runs]
        flops = [workload.count_flops() for workload in workloads]
        for workload in workloads:
            for _ in range(warmup):
                workload.step()
        rounds = [[x.time_step() for x in workloads] for _ in range(runs)]
    except (BrokenProcessPool, torch.cuda.OutOfMemoryError):
        return [Measurement(recipe.labels, fits=False) for recipe in recipes]
    if not runs:
        return [
            Measurement(recipe.labels, memory)
            for recipe, memory in zip(recipes, memories, strict=True)
        ]
    return [
        Measurement(
            labels=recipe.labels,
            memory=memory,
            seconds=seconds,
            images=workload.images,
            flops=count,
            matrix_rate=measure_matrix_rate(workload.device, workload.dtype),
        )
        for recipe, memory, seconds, workload, count in zip(
            *(recipes, memories, zip(*rounds, strict=True), workloads, flops),
            strict=True,
        )
    ]


def make_optimizer(
    model: nn.Module, keeps_gradients: bool = False
) -> torch.optim.Optimizer:
    """AdamW with the state that it otherwise makes in its first step.

    So that one step shows the peak memory, and that of summed gradients too:
    ``keeps_gradients`` leaves some, zeros, as in :class:`Workload`.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    optimizer.step()
    model.zero_grad(set_to_none=not keeps_gradients)
    return optimizer


def measure_memory(recipe: Recipe) -> Memory:
    """Peak memory of a step, in a process that does nothing else."""
    context = get_context('spawn')  # CUDA does not survive a fork
    threads = torch.get_num_threads()
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak_memory, recipe, threads).result()


def _peak_memory(recipe: Recipe, threads: int) -> Memory:
    torch.set_num_threads(threads)
    reset_peak(torch.device('cpu'))
    before = read_peak(torch.device('cpu'))
    workload = recipe.build()
    if workload.flops_forward not in (None, workload.forward):
        workload.step()  # compiling is not what is measured
    gc.collect()
    workload.synchronize()
    reset_peak(workload.device)
    workload.step()
    workload.synchronize()
    on_gpu = workload.device.type == 'cuda'
    return Memory(read_peak(workload.device), 0 if on_gpu else before)


def reset_peak(device: torch.device) -> None:
    """Begin to look for the peak memory of a device anew."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        # 5: forget the peak, see proc(5). Where that is not allowed, building
        # the model counts too, which is no more than a step needs anyway.
        try:
            _CLEAR_REFS.write_text('5')
        except OSError:
            return


def read_peak(device: torch.device) -> int:
    """Peak memory in bytes since :func:`reset_peak`."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    # in KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product: what the machine can reach."""
    side = 8192 if device.type == 'cuda' else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in '12')
    product = Workload(
        nn.Identity(), lambda: a @ b, 0, device, torch.float32, trains=False
    )
    best = min(product.time_step() for _ in range(5))
    return 2 * side**3 / best
