"""The terminal shows what somebody wants to see, the log file everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained import make_scenes, train

from convmae_mm import apis

LONG = (
    'System environment:',
    'Config:',
    'Hooks will be executed',
)


@pytest.mark.slow
def test_terminal_is_short_and_says_what_comes_next(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    folder = train('classifier', make_scenes(tmp_path / 'scenes'), tmp_path)
    shown = capfd.readouterr().out
    log = next(folder.glob('*/*.log')).read_text('utf-8')
    for words in LONG:
        assert words in log
        assert words not in shown
    assert 'Iter' in shown or 'Epoch(train)' in shown
    assert len(shown.splitlines()) < 60
    checkpoint = folder / 'epoch_1.pth'
    assert f'Checkpoint: {checkpoint}' in shown
    assert f'Next: convmae-mm report {folder}' in shown

    config = next(folder.glob('*.py'))
    scores = apis.test(config, checkpoint, work_dir=tmp_path / 'test')
    shown = capfd.readouterr().out
    assert not [words for words in LONG if words in shown]
    for name, score in scores.items():
        assert f'{name}: {score}' in shown
    assert f'Next: convmae-mm report {checkpoint}' in shown
