"""Variables of a config file act on all that is computed from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_sets import write_label_maps

from convmae_mm.apis.config import load_config
from convmae_mm.apis.options import RunOptions
from convmae_mm.cli import main
from convmae_mm.errors import ConfigError

TEXT = """
img_size = 320  # px
classes = (
    'cat',
    'dog',
)
unused = 3
twice = 1
twice = 2
sides = (img_size, img_size // 2)
model = dict(type='A', img_size=sides, num_classes=len(classes), two=twice)
train_dataloader = dict(batch_size=2)
"""


def load(path: Path, **overrides: object):
    return load_config(path, RunOptions(cfg_options=overrides))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / 'flat.py'
    file.write_text(TEXT)
    return file


def test_a_variable_acts_on_what_is_computed_from_it(path: Path) -> None:
    cfg = load(path, img_size=64, classes=['a', 'b', 'c'])
    assert tuple(cfg.model.img_size) == (64, 32)
    assert cfg.model.num_classes == 3
    assert cfg.filename == str(path)
    overrides = {'img_size': 96, 'model.num_classes': 5}
    cfg = load(path, **overrides)
    assert tuple(cfg.model.img_size) == (96, 48)
    assert cfg.model.num_classes == 5
    assert tuple(load(path).model.img_size) == (320, 160)


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('twice', 'the config file alone reads twice'),
        ('sides', 'the config file alone reads sides'),
        ('img_sizes', 'is model.img_size meant'),
    ],
)
def test_what_would_not_act_is_refused(
    path: Path, name: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load(path, **{name: 7})


def test_what_only_own_code_may_read_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        'convmae_mm.apis.overrides.print_log',
        lambda text, **_: told.append(text),
    )
    assert load(path, unused=7).unused == 7
    assert len(told) == 1
    assert 'only code of yours may' in told[0]


def test_lines_are_counted_as_python_counts_them(path: Path) -> None:
    path.write_text('# page\f\n' + TEXT)
    assert load(path, img_size=640).img_size == 640


def test_an_inherited_file_stays_where_it_is(path: Path) -> None:
    heir = path.with_name('heir.py')
    heir.write_text("_base_ = './flat.py'\nsize = 4\nmodel = dict(a=size)\n")
    with pytest.raises(ConfigError, match='the config file alone reads size'):
        load(heir, size=5)


def test_one_setting_for_the_size_of_a_segmentor(tmp_path: Path) -> None:
    images, labels = write_label_maps(tmp_path)
    out = tmp_path / 'segmentor.py'
    data = ['--images', images, '--labels', labels, '--ignore-label', 11]
    arguments = ['new', 'segmentor', *data, '--img-size', 64, '--out', out]
    assert main([str(x) for x in arguments]) == 0
    cfg = load(out, crop_size=(96, 96), img_size=128)
    assert tuple(cfg.model.backbone.img_size) == (96, 96)
    assert tuple(cfg.model.data_preprocessor.size) == (96, 96)
    steps = {x.type: x for x in cfg.train_dataloader.dataset.pipeline}
    assert tuple(steps['RandomCrop'].crop_size) == (96, 96)
    assert tuple(steps['RandomResize'].scale) == (128, 128)
    tested = cfg.val_dataloader.dataset.pipeline
    assert tuple(tested[1].scale) == (128, 128)
