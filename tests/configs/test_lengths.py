"""The lengths that docs/recipes.md shows are what a training would have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config

from convmae_mm.apis import training_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'recipes.md').read_text()
SECTION = PAGE.partition('## Other lengths')[2].partition('\n## ')[0]


def ends(cfg: Config) -> tuple[int, int]:
    """Where the training ends, and where its last schedule does."""
    length = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    return length, cfg.param_scheduler[-1].end


def test_two_lines_change_the_length(tmp_path: Path) -> None:
    (block,) = re.findall(r'```python\n(.*?)```', SECTION, re.DOTALL)
    path = tmp_path / '800e.py'
    path.write_text(block)
    cfg = Config.fromfile(path)
    assert ends(cfg) == (800, 800)
    decay = cfg.param_scheduler[-1]
    assert (decay.type, decay.begin) == ('CosineAnnealingLR', 40)
    # nothing may say how long the cosine was
    assert 'T_max' not in decay


def test_two_options_change_the_length(tmp_path: Path) -> None:
    (block,) = re.findall(r'```bash\n(.*?)```', SECTION, re.DOTALL)
    words = shlex.split(block.replace('\\\n', ' '))
    config, options = words[2], words[words.index('--cfg-options') + 1 :]
    cfg = Config.fromfile(ROOT / config)
    assert ends(cfg) == (92_187, 92_187)
    pairs = dict(option.split('=') for option in options)
    cfg.merge_from_dict({key: int(value) for key, value in pairs.items()})
    assert ends(cfg) == (184_375, 184_375)


@pytest.mark.parametrize('option', re.findall(r'`model\.\S+=\w+`', SECTION))
def test_the_other_variants_are_one_option(
    option: str, tmp_path: Path
) -> None:
    key, _, value = option.strip('`').partition('=')
    name = 'upernet_convmae-large_160k_ade20k-512x512.py'
    cfg = training_config(
        ROOT / 'configs' / 'segmentation' / name,
        work_dir=tmp_path,
        cfg_options={key: value, 'model.backbone.init_cfg': None},
    )
    found = cfg
    for part in key.split('.'):
        found = found[part]
    assert found == value
