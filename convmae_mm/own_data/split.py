"""Hold pictures out for validation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Hashable, Sequence

SHARE = 0.2


def held_out(
    classes: Sequence[Collection[Hashable]],
    share: float = SHARE,
    seed: int = 0,
) -> list[int]:
    """Which pictures to hold out, the same ones for the same seed.

    Every class gives about its share, the rarest first, and one that is in
    two pictures or more is in both parts where that can be.

    Args:
        classes: Of each picture, the classes in it.
        share: Of the pictures, between 0 and 1.
        seed: Of the choice.

    Returns:
        Indices in ascending order: at least one picture, and not all.

    Raises:
        ValueError: For fewer than two pictures, or a share out of range.
    """
    if len(classes) < 2:
        raise ValueError(f'{len(classes)} pictures cannot be split in two')
    if not 0 < share < 1:
        raise ValueError(f'{share=} must lie between 0 and 1')
    order = list(range(len(classes)))
    random.Random(seed).shuffle(order)
    total = Counter(name for names in classes for name in set(names))
    most = max(1, round(share * len(classes)))
    chosen: set[int] = set()
    held: Counter[Hashable] = Counter()

    def take_if_spare(index: int) -> None:
        names = set(classes[index])
        if index not in chosen and all(total[x] - held[x] > 1 for x in names):
            chosen.add(index)
            held.update(names)

    for name, count in sorted(total.items(), key=lambda x: (x[1], str(x[0]))):
        for index in order:
            if held[name] >= max(1, round(share * count)):
                break
            # Beyond the share only for a class that would be left out.
            if name in classes[index] and (
                len(chosen) < most or not held[name]
            ):
                take_if_spare(index)
    if total and not held:
        # Where none with a class can be spared, the first drawn has to go.
        first = next(index for index in order if classes[index])
        chosen.add(first)
        held.update(set(classes[first]))
    for index in order:
        if len(chosen) < most:
            take_if_spare(index)
    return sorted(chosen)
