import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from PIL import Image

import convmae_mm
from convmae_mm.demo.own_data import own_data


@pytest.fixture
def project(tmp_path):
    """A folder with `configs/`, as the report's commands expect."""
    from pathlib import Path

    repository = Path(convmae_mm.__file__).resolve().parent.parent
    (tmp_path / 'configs').symlink_to(repository / 'configs')
    data = tmp_path / 'data'
    rng = np.random.default_rng(0)
    annotations = {
        'images': [{'id': 1, 'file_name': '1.jpg', 'width': 64, 'height': 48}],
        'annotations': [
            {
                'id': 1,
                'image_id': 1,
                'category_id': 7,
                'bbox': [8, 8, 16, 16],
                'area': 256,
                'iscrowd': 0,
                'segmentation': [[8, 8, 24, 8, 24, 24, 8, 24]],
            }
        ],
        'categories': [{'id': 7, 'name': 'cat'}, {'id': 9, 'name': 'dog'}],
    }
    for split in ('train', 'val'):
        (data / split).mkdir(parents=True)
        (data / f'{split}_labels').mkdir()
        pixels = rng.integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(data / split / '1.jpg')
        labels = rng.integers(0, 3, (48, 64), np.uint8)
        Image.fromarray(labels).save(data / f'{split}_labels' / '1.png')
        (data / f'{split}.json').write_text(json.dumps(annotations))
    return tmp_path


def _config(project, text):
    file = project / 'my_config.py'
    file.write_text(text.replace('/path/to/data', str(project / 'data')))
    config = Config.fromfile(file)
    init_default_scope(config.default_scope)
    return config


def test_detector_on_own_data(project):
    import mmdet.datasets
    import mmdet.models  # noqa: F401

    config = _config(project, own_data(7).detector_config)
    assert config.model.backbone.init_cfg.checkpoint == (
        'work_dirs/my_encoder/epoch_7.pth'
    )
    model = MODELS.build(config.model)
    assert model.roi_head.bbox_head.num_classes == 2
    for loader in (config.train_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        sample = dataset[0]['data_samples']
        assert sample.gt_instances.labels.tolist() == [0]
    assert config.test_evaluator.ann_file.endswith('data/val.json')


def test_segmentor_on_own_data(project):
    import mmseg.datasets
    import mmseg.models  # noqa: F401

    config = _config(project, own_data(7).segmentor_config)
    model = MODELS.build(config.model)
    assert model.decode_head.num_classes == 3
    for loader in (config.train_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        labels = dataset[0]['data_samples'].gt_sem_seg.data
        # The class numbers as they are, nothing shifted away.
        assert set(labels.unique().tolist()) <= {0, 1, 2, 255}
        assert 0 in labels


def test_pretraining_command_reads_a_plain_folder(project):
    import argparse
    import shlex

    from convmae_mm.cli.train import configure

    parser = argparse.ArgumentParser()
    configure(parser)
    text = own_data(7).pretrain.replace('\\\n', ' ')
    program, command, *arguments = shlex.split(text)
    assert (program, command) == ('convmae-mm', 'train')
    args = parser.parse_args(arguments)
    config = Config.fromfile(project / args.config)
    config.merge_from_dict(args.cfg_options)
    config.train_dataloader.dataset.data_root = str(project / 'data')
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 4  # pictures and label maps: all that is there
