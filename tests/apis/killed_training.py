"""A training that is killed while it writes a checkpoint; a script.

python killed_training.py CONFIG WORK_DIR NAME_OF_CHECKPOINT
"""

import os
import signal
import sys

from mmengine.fileio import LocalBackend

from convmae_mm import apis

config, work_dir, victim = sys.argv[1:]


def put(self, obj, filepath) -> None:
    """As mmengine's, but the process dies half-way through one file."""
    with open(filepath, 'wb') as file:
        if os.path.basename(filepath) != victim:
            file.write(obj)
            return
        file.write(obj[: len(obj) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


LocalBackend.put = put
apis.train(config, work_dir=work_dir, seed=0)
