"""Commands are children: watched, stopped together, never left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convmae_mm.engine.hooks.progress_line import ProgressLine
from convmae_mm.errors import UserError
from convmae_mm.own_data import process
from convmae_mm.own_data.process import Commands

WAIT = (
    'import os, time\n'
    'with open("pid.part", "w") as file:\n'
    '    file.write(str(os.getpid()))\n'
    'os.rename("pid.part", "pid")\n'
    'time.sleep(60)\n'
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, list[ProgressLine]]]:
    """Runs a script in the place of ``convmae-mm``."""

    def run(script: str) -> tuple[str, list[ProgressLine]]:
        monkeypatch.setattr(process, 'ENTRY_POINT', script)
        log, seen = tmp_path / 'logs' / 'step.log', []
        Commands().run(['convmae-mm', 'word'], log, seen.append, threads=3)
        return log.read_text('utf-8'), seen

    return run


def test_output_goes_to_the_log_and_progress_to_the_caller(run) -> None:
    text, seen = run(
        'import sys\n'
        'print("hello", sys.argv[1])\n'
        'print("[progress] train 3/9, 0.500 s/it, ETA 0:03, loss 1.2500")\n'
        'print("to stderr", file=sys.stderr)\n'
    )
    assert 'hello word' in text
    assert 'to stderr' in text
    assert [(x.phase, x.done, x.total, x.loss) for x in seen] == [
        ('train', 3, 9, 1.25)
    ]


@pytest.mark.parametrize(
    ('end', 'said'),
    [
        ('raise SystemExit(3)', 'exit code 3'),
        ('import os; os.kill(os.getpid(), 9)', 'SIGKILL'),
    ],
)
def test_failure_says_why_with_the_end_of_the_log(
    run, end: str, said: str
) -> None:
    lines = 'for i in range(100): print("line", i, flush=True)\n'
    with pytest.raises(UserError, match=said) as failure:
        run(lines + end)
    assert 'line 99' in str(failure.value)
    assert 'line 79\n' not in str(failure.value)


def test_threads_are_shared_out_unless_the_environment_says(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'import os; print("threads", os.environ["OMP_NUM_THREADS"])'
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert 'threads 3' in run(script)[0]
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert 'threads 5' in run(script)[0]


def test_a_stop_ends_all_and_lets_none_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, 'ENTRY_POINT', WAIT)
    commands, failures = Commands(), []

    def work() -> None:
        try:
            commands.run(['convmae-mm', 'word'], tmp_path / 'log', print)
        except UserError as error:
            failures.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    pid = wait_for(lambda: read_pid(tmp_path / 'pid'))
    commands.stop()
    thread.join(30)
    assert 'SIGTERM' in failures[0]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(UserError, match='not started'):
        commands.run(['convmae-mm', 'word'], tmp_path / 'log', print)


@pytest.mark.skipif(sys.platform != 'linux', reason='asks the Linux kernel')
def test_the_command_dies_with_a_killed_run(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            *(sys.executable, '-c'),
            'from pathlib import Path\n'
            'from convmae_mm.own_data import process\n'
            f'process.ENTRY_POINT = {WAIT!r}\n'
            'process.Commands().run(\n'
            '    ["convmae-mm", "word"], Path("log"), print\n'
            ')\n',
        ],
        cwd=tmp_path,
        env=os.environ
        | {'PYTHONPATH': str(Path(__file__).resolve().parents[2])},
    )
    pid = wait_for(lambda: read_pid(tmp_path / 'pid'))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not is_alive(pid))


def read_pid(file: Path) -> int | None:
    return int(file.read_text()) if file.exists() else None


def is_alive(pid: int) -> bool:
    """Whether it runs; an orphan may stay as a zombie until it is reaped."""
    stat = Path(f'/proc/{pid}/stat')
    if not stat.exists():
        return False
    return stat.read_text().rpartition(')')[2].split()[0] not in ('Z', 'X')


def wait_for(condition: Callable[[], object]) -> object:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError('not fulfilled in a minute')
