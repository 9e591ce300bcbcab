"""Run one command as a child that never outlives us."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import convmae_mm
from convmae_mm.engine.hooks.progress_line import ProgressLine
from convmae_mm.processes import die_with_parent

ENTRY_POINT = 'from convmae_mm.cli import main; raise SystemExit(main())'
_TICK_SECONDS = 1.0
_TAIL_LINES = 20


class CommandFailedError(RuntimeError):
    """A command that ended with an error.

    Attributes:
        returncode: Its exit code, negative for a signal.
        tail: The last lines it wrote.
    """

    def __init__(self, returncode: int, tail: Sequence[str]) -> None:
        reason = f'exit code {returncode}'
        if returncode < 0:
            reason = f'killed by {signal.Signals(-returncode).name}'
        super().__init__(reason)
        self.returncode = returncode
        self.tail = list(tail)


class StoppedError(RuntimeError):
    """A command that was ended because the demo ends."""


def run_command(
    arguments: Sequence[str],
    folder: Path,
    log_file: Path,
    on_progress: Callable[[ProgressLine], None],
    on_tick: Callable[[], None],
    stop: threading.Event,
    threads: int,
) -> None:
    """Run ``convmae-mm`` with arguments in a folder.

    Args:
        arguments: Of ``convmae-mm``.
        folder: The working directory.
        log_file: Gets everything the command writes, after what is there.
        on_progress: Called for each line that tells progress.
        on_tick: Called about once a second.
        stop: Ends the command when it is set.
        threads: How many the command computes with, unless the environment
            says it.

    Raises:
        CommandFailedError: If it ends with an error.
        StoppedError: If it was stopped.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with log_file.open('a', encoding='utf-8') as log:
        child = _start(arguments, folder, threads)
        try:
            for line in _lines_and_ticks(child):
                if stop.is_set():
                    raise StoppedError
                if line is None:
                    on_tick()
                    continue
                log.write(line)
                log.flush()
                progress = ProgressLine.parse(line)
                if progress is None:
                    tail.append(line.rstrip('\n'))
                else:
                    on_progress(progress)
            returncode = child.wait()
        finally:
            # Stopped, or an error of ours: nobody would read on.
            if child.poll() is None:
                child.kill()
                child.wait()
    if returncode != 0:
        raise CommandFailedError(returncode, tail)


def _start(
    arguments: Sequence[str], folder: Path, threads: int
) -> subprocess.Popen[str]:
    # The child runs elsewhere: a relative search path would miss us there.
    package_root = str(Path(convmae_mm.__file__).resolve().parent.parent)
    search_path = [package_root]
    if os.environ.get('PYTHONPATH'):
        search_path += [
            os.path.abspath(entry)
            for entry in os.environ['PYTHONPATH'].split(os.pathsep)
        ]
    return subprocess.Popen(
        [sys.executable, '-u', '-c', ENTRY_POINT, *arguments],
        cwd=folder,
        env={
            'OMP_NUM_THREADS': str(threads),
            **os.environ,
            'PYTHONPATH': os.pathsep.join(search_path),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding='utf-8',
        errors='replace',
        # Ctrl-C is for the demo alone, which then ends its children.
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def _lines_and_ticks(child: subprocess.Popen[str]) -> Iterator[str | None]:
    """Lines as they come, and None about once a second."""
    assert child.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(
        target=_forward, args=(child.stdout, lines), daemon=True
    )
    reader.start()
    last_tick = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            line = ''
        if line is None:
            return
        if line:
            yield line
        if time.monotonic() - last_tick >= _TICK_SECONDS:
            last_tick = time.monotonic()
            yield None


def _forward(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
