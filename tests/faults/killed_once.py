"""A hook that kills its process, the first time it is started by torchrun."""

import os
import signal
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KilledOnce(Hook):
    """Ends the second process after ``step`` steps of the first start."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_train_iter(self, runner: Any, *args: Any, **more: Any) -> None:
        first = os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'
        if first and runner.rank == 1 and runner.iter + 1 == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
