import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from convmae_mm.demo import process
from convmae_mm.demo.process import (
    CommandFailedError,
    StoppedError,
    run_command,
)


def _run(folder, script, monkeypatch):
    monkeypatch.setattr(process, 'ENTRY_POINT', script)
    seen = []
    log = folder / 'logs' / 'step.log'
    try:
        run_command(
            ['argument'],
            folder,
            log,
            seen.append,
            lambda: None,
            threading.Event(),
            threads=3,
        )
    finally:
        text = log.read_text()
    return text, seen


def test_output_goes_to_the_log_and_progress_to_the_caller(
    tmp_path, monkeypatch
):
    script = (
        'import os, sys\n'
        'print("hello", sys.argv[1], os.path.basename(os.getcwd()))\n'
        'print("[progress] train 3/9, 0.500 s/it, ETA 0:03, loss 1.2500")\n'
        'print("to stderr", file=sys.stderr)\n'
    )
    text, seen = _run(tmp_path, script, monkeypatch)
    assert f'hello argument {tmp_path.name}' in text
    assert 'to stderr' in text
    assert [(p.phase, p.done, p.total, p.loss) for p in seen] == [
        ('train', 3, 9, 1.25)
    ]


def test_failure_carries_the_code_and_the_end_of_the_log(
    tmp_path, monkeypatch
):
    script = 'for i in range(100): print("line", i)\nraise SystemExit(3)'
    with pytest.raises(CommandFailedError, match='exit code 3') as failure:
        _run(tmp_path, script, monkeypatch)
    assert failure.value.tail[-1] == 'line 99'
    assert len(failure.value.tail) == 20


def test_threads_are_shared_out_unless_the_environment_says(
    tmp_path, monkeypatch
):
    script = 'import os; print("threads", os.environ["OMP_NUM_THREADS"])'
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert 'threads 3' in _run(tmp_path, script, monkeypatch)[0]
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert 'threads 5' in _run(tmp_path, script, monkeypatch)[0]


def test_a_killed_command_names_the_signal(tmp_path, monkeypatch):
    script = 'import os; os.kill(os.getpid(), 9)'
    with pytest.raises(CommandFailedError, match='SIGKILL'):
        _run(tmp_path, script, monkeypatch)


def test_a_stop_ends_the_command(tmp_path, monkeypatch):
    script = (
        'import os, time\n'
        'open("pid", "w").write(str(os.getpid()))\n'
        'print("up")\n'
        'time.sleep(60)\n'
    )
    monkeypatch.setattr(process, 'ENTRY_POINT', script)
    monkeypatch.setattr(process, '_TICK_SECONDS', 0.05)
    stop = threading.Event()

    def stop_once_it_runs():
        if _read_pid(tmp_path / 'pid'):
            stop.set()

    with pytest.raises(StoppedError):
        run_command(
            [],
            tmp_path,
            tmp_path / 'log',
            lambda progress: None,
            stop_once_it_runs,
            stop,
            threads=1,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / 'pid').read_text()), 0)


@pytest.mark.skipif(sys.platform != 'linux', reason='asks the Linux kernel')
def test_the_command_dies_with_a_killed_demo(tmp_path):
    parent = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import sys, threading\n'
            'from pathlib import Path\n'
            'from convmae_mm.demo import process\n'
            'process.ENTRY_POINT = (\n'
            "    \"import os, time; f = open('pid', 'w');\"\n"
            '    "f.write(str(os.getpid())); f.close(); time.sleep(60)"\n'
            ')\n'
            'folder = Path(sys.argv[1])\n'
            'process.run_command(\n'
            '    [], folder, folder / "log", print, lambda: None,\n'
            '    threading.Event(), 1\n'
            ')\n',
            str(tmp_path),
        ],
        env={
            **os.environ,
            'PYTHONPATH': str(Path(__file__).resolve().parents[2]),
        },
    )
    pid = _wait_for(lambda: _read_pid(tmp_path / 'pid'))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not _is_alive(pid))


def _read_pid(file):
    text = file.read_text() if file.exists() else ''
    return int(text) if text else None


def _is_alive(pid):
    """Whether it runs; an orphan may stay as a zombie until it is reaped."""
    stat = Path(f'/proc/{pid}/stat')
    return stat.exists() and stat.read_text().rpartition(')')[2].split()[
        0
    ] not in ('Z', 'X')


def _wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f'{condition} not fulfilled in {seconds} s')
