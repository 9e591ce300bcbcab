"""What is looked at before the first step."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.logging import print_log

from convmae_mm.data_check import Examiner, check_config
from convmae_mm.errors import ConfigError, DataError
from convmae_mm.processes import place_among

# Files of each data set that are opened before a training: a second at most.
NUM_FILES = 64


class ExaminationError(DataError, ConfigError):
    """What would train or score wrongly: one line for each fault."""


def examine(cfg: Config, splits: Sequence[str]) -> list[tuple[int, str]]:
    """Compare data, model, evaluators and schedule of a config.

    Logs what each split holds, and warnings. Annotations are read, pictures
    are not decoded. Of several processes only the first looks.

    Args:
        cfg: The config.
        splits: Which of 'train', 'val' and 'test' will be read.

    Returns:
        What was logged, with levels: the log file of the run is opened
        later, see :func:`keep_in_log`.

    Raises:
        ExaminationError: If anything is wrong; a line for each fault.
    """
    if place_among(cfg.get('launcher'))[0]:
        return []
    examiner = Examiner(sample=NUM_FILES, progress=False, decode=False)
    report = check_config(cfg, splits, examiner)
    told = [
        (
            logging.INFO,
            f'{part}: ' + ', '.join(f'{v:,} {k}' for k, v in counts.items()),
        )
        for part, counts in report.facts.items()
    ]
    told += [
        (logging.WARNING, fault.line)
        for fault in report.faults
        if fault.severity == 'warning'
    ]
    for level, line in told:
        print_log(line, logger='current', level=level)
    wrong = [x.line for x in report.faults if x.severity == 'error']
    if wrong:
        heading = (
            f'{len(wrong)} faults in {report.root}, found before the first '
            'step (--no-check leaves this out):\n'
        )
        raise ExaminationError(
            wrong[0] if len(wrong) == 1 else heading + '\n'.join(wrong)
        )
    return told


def keep_in_log(logger: logging.Logger, told: list[tuple[int, str]]) -> None:
    """Write into a run's log file what was told before it was opened."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            for level, line in told:
                place = (logger.name, level, __file__, 0, line, (), None)
                handler.handle(logger.makeRecord(*place))
