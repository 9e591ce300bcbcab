"""Random numbers that depend on the seed and on where a training stands.

A generator that runs on from step to step starts over when a training is
resumed: the first masks, crops and orders come again. Here the numbers of an
iteration follow from the seed and its count alone, so that a resumed training
draws what an uninterrupted one would.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.registry import FUNCTIONS

from convmae_mm.processes import die_with_parent

# What the numbers are for; two purposes of one iteration share none.
_STEP, _DATA = 0, 1


def seed_step(seed: int, iteration: int) -> None:
    """Seed what the model draws in an iteration, such as masks."""
    _seed_all(seed, iteration, _STEP)


def seed_data(seed: int, iteration: int) -> None:
    """Seed what the loader draws for an iteration and those after it."""
    _seed_all(seed, iteration, _DATA)


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed a data worker and tie its life to that of the training.

    torch has seeded its own generator by then, by a number that the main
    process drew when the epoch began. mmengine's function would seed each
    epoch's workers alike, so that every epoch cuts the same crops.
    """
    die_with_parent()
    _seed_all(torch.initial_seed() % 2**63, get_rank(), _DATA)


def _seed_all(*numbers: int) -> None:
    entropy = (*numbers, get_rank())
    state = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
    random.seed(int(state[0]))
    np.random.seed(int(state[0]) % 2**32)
    # On every device, as far as they are in use.
    torch.manual_seed(int(state[1]) % 2**63)
