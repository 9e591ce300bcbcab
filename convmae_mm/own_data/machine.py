"""What a config has to know about the machine that runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# With these a CPU multiplies bfloat16; without, it only emulates that.
BF16_FLAGS = {'amx_bf16', 'avx512_bf16'}
MOST_WORKERS = 8


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Attributes:
        cores: That this process may use.
        gpus: How many of them.
        amp: Where bfloat16 pays: 'gpu', 'cpu' or '' for nowhere.
    """

    cores: int
    gpus: int
    amp: str

    @property
    def gpu(self) -> bool:
        """Whether there is one."""
        return self.gpus > 0

    @property
    def workers(self) -> int:
        """Processes that load data; a CPU needs its cores for the model."""
        share = self.cores // (self.gpus or 2)
        return max(1, min(MOST_WORKERS, share))


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def this_machine() -> Machine:
    """The machine that runs this process."""
    import torch

    gpus = torch.cuda.device_count()
    if gpus:
        amp = 'gpu' if torch.cuda.is_bf16_supported() else ''
    else:
        amp = 'cpu' if cpu_has_bf16() else ''
    return Machine(count_cores(), gpus, amp)


def cpu_has_bf16(cpuinfo: Path = Path('/proc/cpuinfo')) -> bool:
    """Whether the CPU has instructions for bfloat16."""
    if not cpuinfo.is_file():
        return False
    for line in cpuinfo.read_text(encoding='utf-8').splitlines():
        name, _, value = line.partition(':')
        if name.strip() == 'flags':
            return not BF16_FLAGS.isdisjoint(value.split())
    return False
