"""Run our commands as children that never outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import convmae_mm
from convmae_mm.engine.hooks.progress_line import ProgressLine
from convmae_mm.errors import UserError
from convmae_mm.processes import die_with_parent

ENTRY_POINT = 'from convmae_mm.cli import main; raise SystemExit(main())'
_SECONDS_TO_END = 20
_TAIL_LINES = 20


class Commands:
    """Runs commands, from any number of threads, until they are stopped."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        command: Sequence[str],
        log_file: Path,
        on_progress: Callable[[ProgressLine], None],
        threads: int | None = None,
    ) -> None:
        """Run a command that begins with ``convmae-mm``, or a launcher.

        Args:
            command: As somebody would type it.
            log_file: Gets everything that it writes, after what is there.
            on_progress: Called for each line that tells progress.
            threads: How many it computes with, unless the environment says
                so; None for all cores.

        Raises:
            UserError: If it ends with an error, or is stopped; holds the end
                of its output.
        """
        log_file.parent.mkdir(parents=True, exist_ok=True)
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        with log_file.open('a', encoding='utf-8') as log:
            child = self._start(command, threads)
            assert child.stdout is not None
            try:
                for line in child.stdout:
                    log.write(line)
                    log.flush()
                    progress = ProgressLine.parse(line)
                    if progress is None:
                        tail.append(line)
                    else:
                        on_progress(progress)
                code = child.wait()
            finally:
                # Interrupted, or an error of ours: nobody would read on.
                _end([child])
                with self._lock:
                    self._children.discard(child)
        if code:
            why = f'exit code {code}'
            if code < 0:
                why = f'killed by {signal.Signals(-code).name}'
            raise UserError(
                f'{command[0]} {command[1]} failed, {why}; its last lines, of '
                f'{log_file}:\n{"".join(tail)}'
            )

    def stop(self) -> None:
        """End what runs; what is started later ends with an error."""
        with self._lock:
            self._stopped = True
            children = list(self._children)
        _end(children)

    def _start(
        self, command: Sequence[str], threads: int | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise UserError(f'{command[0]} {command[1]} was not started')
            child = _start(command, threads)
            self._children.add(child)
        return child


def _end(children: Sequence[subprocess.Popen[str]]) -> None:
    """Let a launcher end its processes, which are no children of ours."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            child.kill()


def _start(
    command: Sequence[str], threads: int | None
) -> subprocess.Popen[str]:
    # Whatever is on the PATH: the programs of this very environment.
    python = [sys.executable, '-u']
    words = list(command)
    if 'convmae-mm' in words:
        place = words.index('convmae-mm')
        words[place : place + 1] = [*python, '-c', ENTRY_POINT]
    if words[0] == 'torchrun':
        words[:1] = [*python, '-m', 'torch.distributed.run']
    root = str(Path(convmae_mm.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get('PYTHONPATH')])]
    shared = {} if threads is None else {'OMP_NUM_THREADS': str(threads)}
    return subprocess.Popen(
        words,
        env={**shared, **os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding='utf-8',
        errors='replace',
        # Ctrl-C is for us alone, who then end our children.
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
