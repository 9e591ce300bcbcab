"""What is shown of a run on the terminal; its log file keeps everything."""

from __future__ import annotations

import logging
from typing import Any

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
