"""`make repro-small` hands encoders on, and tells what fails."""

from __future__ import annotations

import pytest
import repro_small as tool

SEGMENTOR = 'upernet_convmae-base_160k_ade20k-512x512'
PRETRAINING = 'convmae-base_24xb128-amp-coslr-1600e_in1k'


def test_what_a_recipe_starts_from_comes_first() -> None:
    names = [path.stem for path in tool.select(SEGMENTOR)]
    assert names == [PRETRAINING, SEGMENTOR]
    paths = tool.select('*')
    everything = [path.stem for path in paths]
    assert len(everything) == len(set(everything))
    for path in paths:
        source = tool.source_of(tool.Config.fromfile(path))
        if source is not None:
            assert everything.index(source) < everything.index(path.stem)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(SystemExit, match='nothing_like_it'):
        tool.select('nothing_like_it')


@pytest.mark.slow
def test_a_recipe_runs_after_its_pretraining(tmp_path, capsys) -> None:
    argv = ['--only', SEGMENTOR, '--steps', '1', '--work-dir', str(tmp_path)]
    assert tool.main(argv) == 0
    text = capsys.readouterr().out
    assert 'loss' in text
    assert 'mIoU' in text
    assert (tmp_path / SEGMENTOR / 'iter_1.pth').is_file()


@pytest.mark.slow
def test_a_failure_is_told(tmp_path, capsys, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError('a broken recipe')

    monkeypatch.setattr(tool, 'run', fail)
    argv = ['--only', PRETRAINING, '--work-dir', str(tmp_path)]
    assert tool.main(argv) == 1
    text = capsys.readouterr().out
    assert 'a broken recipe' in text
    assert '1 failed' in text
