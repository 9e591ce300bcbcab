"""What several folders of tests share, made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """No earlier training decides which library a short name belongs to."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())


@pytest.fixture(scope='session')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DigitScenes."""
    from trained import make_scenes

    return make_scenes(tmp_path_factory.mktemp('scenes') / 'digit_scenes')


@pytest.fixture(scope='session')
def trained(
    scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a training of the kind asked for, trained once."""
    from trained import train

    folders: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in folders:
            folder = tmp_path_factory.mktemp(kind) / kind
            folders[kind] = train(kind, scenes, folder)
        return folders[kind]

    return get
