"""What is looked at before the first step."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.logging import print_log

from convmae_mm.data_check import Examiner, check_config
from convmae_mm.errors import ConfigError, DataError

# Files of each data set that are opened before a training: a second at most.
NUM_FILES = 64


class ExaminationError(DataError, ConfigError):
    """What would train or score wrongly: one line for each fault."""


def examine(cfg: Config, splits: Sequence[str]) -> None:
    """Compare data, model, evaluators and schedule of a config.

    Logs what each split holds, and warnings. Annotations are read, pictures
    are not decoded. Of several processes only the first looks.

    Args:
        cfg: The config.
        splits: Which of 'train', 'val' and 'test' will be read.

    Raises:
        ExaminationError: If anything is wrong; a line for each fault.
    """
    if int(os.environ.get('RANK', 0)):
        return
    examiner = Examiner(sample=NUM_FILES, progress=False, decode=False)
    report = check_config(cfg, splits, examiner)
    for part, counts in report.facts.items():
        told = ', '.join(f'{v:,} {k}' for k, v in counts.items())
        print_log(f'{part}: {told}', logger='current')
    for fault in report.faults:
        if fault.severity == 'warning':
            print_log(fault.line, logger='current', level=logging.WARNING)
    wrong = [x.line for x in report.faults if x.severity == 'error']
    if wrong:
        heading = (
            f'{len(wrong)} faults in {report.root}, found before the first '
            'step (--no-check leaves this out):\n'
        )
        raise ExaminationError(
            wrong[0] if len(wrong) == 1 else heading + '\n'.join(wrong)
        )
