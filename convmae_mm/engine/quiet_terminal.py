"""What is shown of a run on the terminal; its log file keeps everything."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

from mmengine import logging as mmengine_logging
from mmengine.runner import Runner

# How the records begin that fill screens and are for those who look back.
FOR_THE_FILE = (
    'System environment:',
    'Config:',
    'Hooks will be executed in the following order',
    'paramwise_options -- ',
    'Distributed training is not used, all SyncBatchNorm',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)


# What mmdet warns of although nobody asked for it.
NOT_ASKED_FOR = 'faster_coco_eval is not installed'


@functools.cache
def hush_imports() -> None:
    """Show nothing of optional packages that the libraries look for.

    They tell so when they are imported, at the level DEBUG and without a
    logger, and mmengine prints what has no logger whatever its level.
    """
    warnings.filterwarnings('ignore', NOT_ASKED_FOR)
    tell = mmengine_logging.print_log

    @functools.wraps(tell)
    def print_log(
        msg: Any, logger: Any = None, level: int = logging.INFO
    ) -> None:
        if logger is not None or level > logging.DEBUG:
            tell(msg, logger, level)

    mmengine_logging.print_log = print_log


class ShortOnTerminal(logging.Filter):
    """Lets through what somebody who watches wants to see."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).lstrip('\n-').startswith(FOR_THE_FILE)


def quiet(kind: type[Runner]) -> type[Runner]:
    """A kind of runner that tells the terminal less than its log file.

    Args:
        kind: mmengine's runner, or that for strategies, which both tell their
            environment as soon as they have a logger.
    """

    class QuietRunner(kind):
        def _log_env(self, *args: Any) -> None:
            handlers = self.logger.handlers
            # Without a file the terminal is all there is.
            if any(isinstance(x, logging.FileHandler) for x in handlers):
                for handler in handlers:
                    if not isinstance(handler, logging.FileHandler):
                        handler.addFilter(ShortOnTerminal())
            super()._log_env(*args)

    return QuietRunner
