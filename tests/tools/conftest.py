"""The tools silence mmengine; other tests read its log."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest
from mmengine.logging import MMLogger


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        yield
    logger.setLevel(before)
