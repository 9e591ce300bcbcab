"""Run one of our commands as a child that never outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


def run_command(
    command: Sequence[str],
    log_file: Path,
    on_progress: Callable[[ProgressLine], None],
) -> None:
    """Run a command that begins with ``convmae-mm``, or a launcher.

    Args:
        command: As somebody would type it.
        log_file: Gets everything that it writes, after what is there.
        on_progress: Called for each line that tells progress.

    Raises:
        UserError: If it ends with an error; holds the end of its output.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with log_file.open('a', encoding='utf-8') as log:
        child = _start(command)
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
        finally:
            # Interrupted, or an error of ours: nobody would read on.
            if child.poll() is None and sys.exc_info()[0] is not None:
                _end(child)
            code = child.wait()
    if code:
        why = f'exit code {code}'
        if code < 0:
            why = f'killed by {signal.Signals(-code).name}'
        raise UserError(
            f'{command[0]} {command[1]} failed, {why}; its last lines, of '
            f'{log_file}:\n{"".join(tail)}'
        )


def _end(child: subprocess.Popen[str]) -> None:
    """Let a launcher end its processes, which are no children of ours."""
    child.terminate()
    try:
        child.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
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
    return subprocess.Popen(
        words,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding='utf-8',
        errors='replace',
        # Ctrl-C is for us alone, who then end our child.
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
