"""The full-size recipes train and test, on a shrunken network and data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from shrink import shrink_model, shrink_transforms

from convmae_mm import apis
from convmae_mm.ops.positions import resize_positions

CONFIGS = Path(__file__).parents[2] / 'configs'
PRETRAIN = 'pretrain/convmae-base_24xb128-amp-coslr-1600e_in1k.py'
DETECTION = 'detection/mask-rcnn_convmae-base_fpn_lsj-25e_coco.py'
SEGMENTATION = 'segmentation/upernet_convmae-base_160k_ade20k-512x512.py'

# Eleven blocks stay, because the layers and windows are counted over them.
TINY_ARCH = dict(
    embed_dims=[8, 16, 32],
    depths=[1, 1, 11],
    num_heads=4,
    mlp_ratios=[1, 1, 1],
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def shrunk_config(name: str, data: Path, folder: Path) -> Path:
    """Write the config with a narrow network, small pictures, no workers.

    Data sets are the recipe's own kind, unlike in the other trainings.
    """
    cfg = Config.fromfile(CONFIGS / name)
    cfg.model = shrink_model(cfg.model)
    cfg.model.backbone.pop('init_cfg', None)
    if 'rcnn' in (cfg.model.get('test_cfg') or {}):
        # untrained scores are low
        cfg.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=5)
    for key in LOADERS:
        if not cfg.get(key):
            continue
        dataset = cfg[key].dataset
        dataset.update(
            data_root=f'{data}/', pipeline=shrink_transforms(dataset.pipeline)
        )
        cfg[key].update(batch_size=2, num_workers=0, persistent_workers=False)
    for key in ('val_evaluator', 'test_evaluator'):
        if 'ann_file' in (cfg.get(key) or {}):
            cfg[key].ann_file = f'{data}/{cfg.val_dataloader.dataset.ann_file}'
    path = folder / Path(name).name
    cfg.dump(path)
    return path


def write_picture(path: Path, size=(60, 48)) -> None:
    rng = np.random.default_rng(len(path.name))
    mmcv.imwrite(rng.integers(0, 255, (*size, 3), dtype=np.uint8), str(path))


def coco_data(folder: Path) -> Path:
    from mmdet.datasets import CocoDataset

    classes = CocoDataset.METAINFO['classes']
    for split in ('train', 'val'):
        images, annotations = [], []
        for index in range(2):
            write_picture(folder / f'{split}2017' / f'{index}.jpg')
            images.append(
                dict(id=index, file_name=f'{index}.jpg', height=60, width=48)
            )
            x, y, w, h = 4, 6, 36, 40
            annotations.append(
                dict(
                    id=index,
                    image_id=index,
                    category_id=1,
                    iscrowd=0,
                    area=w * h,
                    bbox=[x, y, w, h],
                    segmentation=[
                        [x, y, x + w, y, x + w, y + h, x, y + h],
                    ],
                )
            )
        file = folder / 'annotations' / f'instances_{split}2017.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            json.dumps(
                dict(
                    images=images,
                    annotations=annotations,
                    categories=[
                        dict(id=index, name=name)
                        for index, name in enumerate(classes, start=1)
                    ],
                )
            )
        )
    return folder


def ade_data(folder: Path) -> Path:
    for split in ('training', 'validation'):
        for index in range(2):
            write_picture(folder / 'images' / split / f'{index}.jpg')
            labels = np.arange(60 * 48).reshape(60, 48) // 800
            file = folder / 'annotations' / split / f'{index}.png'
            mmcv.imwrite(labels.astype(np.uint8), str(file))
    return folder


def picture_data(folder: Path) -> Path:
    for index in range(4):
        write_picture(folder / 'a' / f'{index}.png')
    return folder


@pytest.mark.slow
def test_pretraining(tmp_path):
    config = shrunk_config(PRETRAIN, picture_data(tmp_path / 'd'), tmp_path)
    runner = apis.train(
        config,
        work_dir=tmp_path / 'work',
        seed=0,
        cfg_options={
            'train_cfg.max_epochs': 1,
            'param_scheduler': [],
            'default_hooks.checkpoint.interval': 1,
        },
    )
    # The config asks for mixed precision; without a GPU that is bfloat16.
    if not torch.cuda.is_available():
        assert type(runner.optim_wrapper).__name__ == 'CpuAmpOptimWrapper'
    assert runner.iter == 2
    assert math.isfinite(runner.message_hub.get_scalar('train/loss').current())
    weights = torch.load(tmp_path / 'work' / 'epoch_1.pth', weights_only=True)[
        'state_dict'
    ]
    assert {name.split('.')[0] for name in weights} == {'backbone', 'neck'}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'write_data', 'score', 'loss'),
    [
        (DETECTION, coco_data, 'coco/segm_mAP', 'train/loss_mask'),
        (SEGMENTATION, ade_data, 'mIoU', 'train/aux.loss_ce'),
    ],
)
def test_fine_tuning_and_testing(name, write_data, score, loss, tmp_path):
    data = write_data(tmp_path / 'data')
    config = shrunk_config(name, data, tmp_path)
    work_dir = tmp_path / 'work'
    runner = apis.train(
        config,
        work_dir=work_dir,
        seed=0,
        validate=False,
        cfg_options={'train_cfg.max_iters': 2},
    )
    assert runner.iter == 2
    assert math.isfinite(runner.message_hub.get_scalar(loss).current())
    out, show_dir = tmp_path / 'out' / 'scores.json', tmp_path / 'show'
    scores = apis.test(
        config,
        work_dir / 'iter_2.pth',
        work_dir=work_dir,
        out=out,
        show_dir=show_dir,
    )
    assert scores[score] >= 0 or math.isnan(scores[score])
    assert json.loads(out.read_text()).keys() == scores.keys()
    pictures = [p for p in show_dir.rglob('*') if p.suffix in ('.jpg', '.png')]
    assert len(pictures) == 2


@pytest.mark.slow
@pytest.mark.parametrize('name', [DETECTION, SEGMENTATION])
def test_a_pretrained_encoder_arrives_whole(name, tmp_path):
    """Also its position embedding, which is smaller than the recipe's."""
    cfg = Config.fromfile(CONFIGS / name)
    backbone = dict(cfg.model.backbone, arch=TINY_ARCH, img_size=96)
    source = dict(type='convmae_mm.ConvMAE', arch=TINY_ARCH, img_size=64)
    trained = MODELS.build(source)
    file = tmp_path / 'encoder.pth'
    state = {f'backbone.{k}': v for k, v in trained.state_dict().items()}
    torch.save(dict(state_dict=state), file)
    backbone['init_cfg'] = dict(backbone['init_cfg'], checkpoint=str(file))
    encoder = MODELS.build(backbone)
    encoder.init_weights()
    found = encoder.state_dict()
    for key, value in trained.state_dict().items():
        if key != 'pos_embed':
            assert found[key].equal(value), key
    expected = resize_positions(trained.pos_embed, (4, 4), (6, 6))
    torch.testing.assert_close(encoder.pos_embed, expected)


def test_the_detector_has_the_heads_of_the_released_one():
    """As many numbers, running statistics included, in every part."""
    released = {
        'neck.': 2_924_552,
        'rpn_head.': 1_184_015,
        'roi_head.bbox_head.': 15_620_501,
        'roi_head.mask_head.': 2_646_356,
    }
    model = Config.fromfile(CONFIGS / DETECTION).model
    model.backbone.update(arch=TINY_ARCH, img_size=64)
    init_default_scope('mmdet')
    state = MODELS.build(model).state_dict()
    ours = {
        part: sum(
            tensor.numel()
            for name, tensor in state.items()
            if name.startswith(part)
        )
        for part in released
    }
    assert ours == released
