"""A tiny training that is killed at random moments and goes on; a script.

python kills.py CONFIG FOLDER SEED KILLS

Everything is imported once; each start is a fork. KILLS times the training is
started, or goes on, and is ended in one of WAYS; then it goes on to its end.
Prints a JSON line for each kill and raises what is not as it must be.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mmpretrain.datasets
import mmpretrain.models  # noqa: F401  imported once for all
from sessions import members, wait_for

from convmae_mm.apis.resumption import why_not_whole
from convmae_mm.cli import main

SMALL = 20_000  # bytes, less than a checkpoint


def die_at(name: str, count: int) -> None:
    """Die in the count-th call of a function of ``os``."""
    left = [count]
    call = getattr(os, name)

    def dying(*args: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args)

    setattr(os, name, dying)


def start(arguments: list[str], log: Path, before: Callable[[], None]) -> int:
    """Train in a session of its own."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 70
    try:
        before()
        code = main(arguments)
    except RuntimeError as error:
        # torch's handler raises it wherever the leader is, even at its end
        if 'DataLoader worker' not in str(error):
            raise
        code = 1
    finally:
        os._exit(code)


def end_it(way: str, leader: int, draw: random.Random) -> None:
    others = [x for x in members(leader) if x != leader]
    if way == 'worker' and others:
        os.kill(draw.choice(others), signal.SIGKILL)
    elif way == 'group':
        os.killpg(leader, signal.SIGKILL)
    else:
        number = getattr(signal, way, signal.SIGKILL)
        os.kill(leader, number)


WAYS = ('SIGKILL', 'group', 'worker', 'SIGTERM', 'SIGINT')
# Batches that kills have left in memory.
gone: list[Path] = []
MOMENTS = ('fsync', 'replace', 'full disk')


def kill_once(
    arguments: list[str], work_dir: Path, draw: random.Random, seconds: float
) -> dict[str, object]:
    """Start, end, and look at what is left."""
    way = draw.choice(WAYS + MOMENTS)

    def before() -> None:
        if way == 'full disk':
            resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))
        elif way in MOMENTS:
            die_at(way, draw.randrange(1, 6))

    begun = time.monotonic()
    leader = start(arguments, work_dir.with_suffix('.log'), before)
    group = {leader}
    if way in WAYS:
        wait_for(lambda: os.getpgid(leader) == leader, 'no session')
        time.sleep(draw.random() * 0.8 * seconds)
        group |= set(members(leader))
        end_it(way, leader, draw)
    ended: list[int] = []

    def over() -> bool:
        if not ended:
            process, status = os.waitpid(leader, os.WNOHANG)
            if process:
                ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended) and not members(leader)

    wait_for(over, f'{way}: {members(leader)} are left')
    assert ended[0] not in (70,), f'{way} {ended}'
    for process in group:
        left = list(Path('/dev/shm').glob(f'torch_{process}_*'))
        # one batch that a worker was handing over; the next start removes it
        assert len(left) < 2, (way, left)
        for file in left:
            os.utime(file, (0, 0))
        gone.extend(left)
    for file in work_dir.glob('*.pth'):
        assert why_not_whole(file) is None, (way, file)
    return dict(
        way=way,
        seconds=round(time.monotonic() - begun, 2),
        code=ended[0],
        checkpoints=sorted(x.name for x in work_dir.glob('*.pth')),
    )


def run() -> None:
    config, folder = sys.argv[1], Path(sys.argv[2])
    seed, kills = map(int, sys.argv[3:])
    draw = random.Random(seed)
    arguments = ['train', config, '--seed', '0', '--no-check', '--work-dir']
    begun, seconds = time.monotonic(), 0.0
    for name in ('whole', 'killed'):
        work_dir = folder / name
        line = [*arguments, str(work_dir)]
        if name == 'killed':
            line += ['--resume', 'auto']
            for _ in range(kills):
                done = kill_once(line, work_dir, draw, seconds)
                print(json.dumps(done), flush=True)
        child = start(line, work_dir.with_suffix('.log'), lambda: None)
        _, status = os.waitpid(child, 0)
        assert status == 0, f'{name}: {work_dir.with_suffix(".log")}'
        seconds = time.monotonic() - begun
        assert not list(work_dir.glob('.*.part')), name
        assert not any(file.exists() for file in gone)


if __name__ == '__main__':
    run()
