"""A training that is killed while it writes a checkpoint; a script.

python killed_training.py CONFIG WORK_DIR NAME_OF_CHECKPOINT
"""

import os
import signal
import sys
from pathlib import Path

from convmae_mm import apis
from convmae_mm.engine import atomic_files

config, work_dir, victim = sys.argv[1:]


class DyingFile:
    """A file that dies with the process half-way through."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


class Path(type(Path())):
    """Opens the victim as such a file."""

    def open(self, mode):
        file = super().open(mode)
        return DyingFile(file) if victim in self.name else file


atomic_files.Path = Path
apis.train(config, work_dir=work_dir, seed=0)
