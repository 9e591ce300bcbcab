"""Hooks that draw predictions take pictures of any number of channels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from convmae_mm.engine.any_bands import AnyBands, draw_any_bands, to_colour


@pytest.mark.parametrize('suffix', ['.npy', '.tif', '.png'])
def test_detections_are_drawn(suffix: str, tmp_path: Path) -> None:
    from mmdet.engine.hooks import DetVisualizationHook
    from mmdet.structures import DetDataSample
    from mmdet.visualization import DetLocalVisualizer
    from mmengine.structures import InstanceData

    name = f'bands{suffix[1:]}'
    visualizer = DetLocalVisualizer.get_instance(
        name, vis_backends=[dict(type='LocalVisBackend')], save_dir=tmp_path
    )
    visualizer.dataset_meta = dict(classes=('thing',), palette=[(255, 0, 0)])
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 60, 5))
    file = tmp_path / f'a{suffix}'
    if suffix == '.npy':
        np.save(file, pixels.astype(np.uint16))
    elif suffix == '.tif':
        tifffile.imwrite(file, pixels.astype(np.uint16))
    else:
        Image.fromarray((pixels[..., :3] // 16).astype(np.uint8)).save(file)
    sample = DetDataSample(metainfo=dict(img_path=str(file)))
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[5.0, 5, 30, 20]]),
        labels=torch.tensor([0]),
        scores=torch.tensor([0.9]),
    )
    draw_any_bands('mmdet')
    hook = DetVisualizationHook(draw=True, test_out_dir='shown')
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp='now', iter=0)
    hook.after_test_iter(runner, 0, {}, [sample])
    (drawn,) = (tmp_path / 'now' / 'shown').iterdir()
    with Image.open(drawn) as picture:
        # the truth on the left, if there is any
        assert picture.size == (2 * 60, 40)


@pytest.mark.parametrize(
    'shape', [(40, 60), (40, 60, 1), (40, 60, 5), (5, 40, 60), (40, 60, 2)]
)
@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.float32])
def test_any_array_becomes_a_picture(shape: tuple, kind: type) -> None:
    pixels = np.random.default_rng(0).random(shape) * 255
    shown = to_colour(pixels.astype(kind))
    assert shown.shape == (40, 60, 3)
    assert shown.dtype == np.uint8
    assert shown.max() > 200


def test_a_constant_array_is_no_division_by_zero() -> None:
    assert not to_colour(np.full((4, 5, 3), 7.0)).any()


def test_pictures_that_mmcv_reads_stay_with_it(tmp_path: Path) -> None:
    """Such as compressed TIFFs, for which tifffile wants another package."""
    import mmcv

    file = tmp_path / 'a.tif'
    picture = np.full((8, 9, 3), (200, 100, 50), np.uint8)
    Image.fromarray(picture).save(file, compression='tiff_lzw')
    content = file.read_bytes()
    found = AnyBands(mmcv).imfrombytes(content, channel_order='rgb')
    assert np.array_equal(found, picture)
