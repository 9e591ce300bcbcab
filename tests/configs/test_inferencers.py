"""The libraries' inferencers take the full-size configs as they are."""

from __future__ import annotations

from pathlib import Path

import mmcv
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from shrink import shrink_config

ROOT = Path(__file__).parents[2] / 'configs'
VISUALIZED = [
    path
    for path in sorted(ROOT.rglob('*.py'))
    if '_base_' not in path.parts and path.parent.name != 'own_data'
    if 'pretrain' not in str(path.relative_to(ROOT))
]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    mmcv.imwrite(pixels, str(tmp_path / 'picture.png'))
    return str(tmp_path / 'picture.png')


def shrunk(name: str, folder: Path) -> str:
    cfg = shrink_config(Config.fromfile(ROOT / name), folder)
    path = folder / Path(name).name
    cfg.dump(path)
    return str(path)


@pytest.mark.parametrize('path', VISUALIZED, ids=lambda path: path.stem)
def test_the_visualizer_is_named(path: Path) -> None:
    """As `browse_dataset` and others of the libraries' tools build it."""
    cfg = Config.fromfile(path)
    assert cfg.visualizer.name == 'visualizer'


@pytest.mark.slow
def test_a_detector(picture: str, tmp_path: Path) -> None:
    from mmdet.apis import DetInferencer

    name = 'detection/mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py'
    found = DetInferencer(shrunk(name, tmp_path), device='cpu')(
        picture, out_dir=str(tmp_path / 'out')
    )
    assert set(found['predictions'][0]) >= {'bboxes', 'masks', 'labels'}
    assert (tmp_path / 'out' / 'vis' / 'picture.png').is_file()


@pytest.mark.slow
def test_a_segmentor(picture: str, tmp_path: Path) -> None:
    from mmseg.apis import MMSegInferencer

    name = 'segmentation/upernet_convmae-base-seg_160k_ade20k-512x512.py'
    inferencer = MMSegInferencer(
        shrunk(name, tmp_path), dataset_name='ade20k', device='cpu'
    )
    found = inferencer(picture, out_dir=str(tmp_path / 'out'))
    assert found['predictions'].shape == (60, 80)
    assert (tmp_path / 'out' / 'vis' / 'picture.png').is_file()


@pytest.mark.slow
def test_a_classifier(picture: str, tmp_path: Path) -> None:
    from mmpretrain.apis import ImageClassificationInferencer

    name = 'classification/convmae-base_8xb128-amp-coslr-100e_in1k.py'
    # of the tests before, in this process
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        inferencer = ImageClassificationInferencer(
            shrunk(name, tmp_path),
            pretrained=False,
            device='cpu',
            classes=list('0123456789'),
        )
        (found,) = inferencer(picture, show_dir=str(tmp_path / 'out'))
    assert found['pred_class'] in '0123456789'
    assert (tmp_path / 'out' / 'picture.png').is_file()
