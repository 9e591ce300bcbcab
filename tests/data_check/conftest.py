"""Sound sets of each kind, made once, and copies that are changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checked_configs import MAKE, Change


@pytest.fixture(scope='session')
def sound_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of each kind, in folders of their names."""
    root = tmp_path_factory.mktemp('sound')
    for kind, (make, _) in MAKE.items():
        make(root / kind)
    return root


@pytest.fixture
def changed(
    sound_sets: Path, tmp_path: Path
) -> Callable[[str, Change], dict[str, Any]]:
    """The config of a copy of a set, after a change of either."""

    def copy(kind: str, change: Change) -> dict[str, Any]:
        root = Path(shutil.copytree(sound_sets / kind, tmp_path / 'my_set'))
        cfg = MAKE[kind][1](root)
        change(cfg, root)
        return cfg

    return copy
