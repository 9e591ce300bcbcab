"""``convmae-mm new``: flat configs that fit the data, for any library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.datasets.transforms import RandomCrop
from mmengine.config import Config
from mmseg.registry import MODELS
from own_sets import (
    CLASSES,
    coco_content,
    write_class_folders,
    write_coco,
    write_label_maps,
    write_pictures,
)
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.data_check.coco_instances import CocoContent
from convmae_mm.own_data.coco import CocoSet
from convmae_mm.own_data.configs import Setting, Wishes
from convmae_mm.own_data.data import Maps
from convmae_mm.own_data.encoder_file import Encoder
from convmae_mm.own_data.machine import Machine, cpu_has_bf16
from convmae_mm.own_data.recipe import class_weights

# What somebody would write who has never heard of convmae_mm.
PLAIN_TRAINING = """
import sys
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile(sys.argv[1])
cfg.work_dir = sys.argv[2]
Runner.from_cfg(cfg).train()
"""


def new(folder: Path, task: str, *options: object) -> Config:
    """Write a config of two steps and read it."""
    out = folder / f'{task}.py'
    short = ('--iters', '2', '--batch-size', '2', '--img-size', '64')
    arguments = ['new', task, *options, *short, '--out', out]
    assert main([str(x) for x in arguments]) == 0
    return Config.fromfile(out)


def write_task(task: str, folder: Path, masks: bool = False) -> list[object]:
    """Data for a task; returns the options that name them."""
    if task == 'encoder':
        write_pictures(folder / 'pictures')
        return ['--pictures', folder / 'pictures']
    if task == 'classifier':
        return ['--folders', write_class_folders(folder / 'classes')]
    if task == 'segmentor':
        images, labels = write_label_maps(folder)
        options = ['--images', images, '--labels', labels]
        return [*options, '--ignore-label', 11]
    coco, images = write_coco(folder, masks)
    return ['--coco', coco, '--images', images]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('task', 'masks'),
    [
        ('encoder', False),
        ('detector', False),
        ('detector', True),
        ('segmentor', False),
        ('classifier', False),
    ],
)
def test_config_trains_in_the_library_alone(
    task: str, masks: bool, tmp_path: Path
) -> None:
    """Also when the last batch, or a whole split, is a single picture."""
    new(tmp_path, task, *write_task(task, tmp_path, masks))
    work_dir = tmp_path / 'work'
    subprocess.run(
        [
            *(sys.executable, '-c', PLAIN_TRAINING),
            *(str(tmp_path / f'{task}.py'), str(work_dir)),
        ],
        check=True,
        cwd=tmp_path,
    )
    assert (work_dir / 'iter_2.pth').is_file()
    assert bool(list(work_dir.glob('best_*'))) == (task != 'encoder')
    for file in work_dir.glob('*/vis_data/scalars.json'):
        logged = [json.loads(x) for x in file.read_text().splitlines()]
        scored = [x['step'] for x in logged if 'lr' not in x]
        steps = [] if task == 'encoder' else [1, 2]
        assert scored == steps, 'curves count iterations'


def test_config_is_flat(tmp_path: Path) -> None:
    """It says all it needs, and nothing has to be imported for it."""
    new(tmp_path, 'detector', *write_task('detector', tmp_path))
    text = (tmp_path / 'detector.py').read_text('utf-8')
    assert '_base_' not in text
    assert 'import' not in text
    assert 'quickstart' not in text


def test_classes_stand_in_the_files_order(tmp_path: Path) -> None:
    """mmdet numbers labels by the file, whatever the ids and the alphabet."""
    coco, images = write_coco(tmp_path)
    content = coco_content()
    content['categories'].reverse()
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(content), 'utf-8')
    cfg = new(
        tmp_path,
        'detector',
        *('--coco', coco, '--images', images, '--coco-val', other),
    )
    assert tuple(cfg.classes) == CLASSES
    copy = json.loads(Path(cfg.val_evaluator.ann_file).read_text('utf-8'))
    names = {x['id']: x['name'] for x in copy['categories']}
    assert tuple(names.values()) == CLASSES
    truth = {x['id']: x['name'] for x in content['categories']}
    for before, after in zip(
        content['annotations'], copy['annotations'], strict=True
    ):
        assert names[after['category_id']] == truth[before['category_id']]


@pytest.mark.parametrize('masks', [False, True])
def test_masks_decide_on_the_detector(masks: bool, tmp_path: Path) -> None:
    coco, images = write_coco(tmp_path, masks)
    cfg = new(tmp_path, 'detector', '--coco', coco, '--images', images)
    assert cfg.model.type == ('MaskRCNN' if masks else 'FasterRCNN')
    assert ('mask_head' in cfg.model.roi_head) == masks
    assert cfg.val_evaluator.metric == ['bbox', 'segm'][: 1 + masks]


@pytest.mark.parametrize('run_lengths', [False, True])
def test_outlines_stay_outlines_until_they_are_cut_out(
    run_lengths: bool, tmp_path: Path
) -> None:
    """Maps of the pixels of large photos would take most of the time."""
    coco, images = write_coco(tmp_path, masks=True)
    content = coco_content(masks=True)
    one, image = content['annotations'][0], content['images'][0]
    assert one['image_id'] == image['id']
    if run_lengths:
        height, width = image['height'], image['width']
        counts = [0, height, height * (width - 1)]
        one['segmentation'] = dict(size=[height, width], counts=counts)
    coco.write_text(json.dumps(content), 'utf-8')
    cfg = new(tmp_path, 'detector', '--coco', coco, '--images', images)
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        (load,) = (x for x in pipeline if x['type'] == 'LoadAnnotations')
        assert load['with_mask']
        assert load.get('poly2mask', True) == run_lengths


@pytest.mark.parametrize('bare', ['object', 'crowd', 'speck'])
def test_one_annotation_without_a_mask_and_boxes_are_learned(
    bare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """mmdet and pycocotools read the masks of crowds too."""
    coco, images = write_coco(tmp_path)
    content = coco_content(masks=True)
    one = content['annotations'][1]
    del one['segmentation']
    one.update({'crowd': {'iscrowd': 1}, 'speck': {'area': 0}}.get(bare, {}))
    coco.write_text(json.dumps(content), 'utf-8')
    cfg = new(tmp_path, 'detector', '--coco', coco, '--images', images)
    assert cfg.model.type == 'FasterRCNN'
    told = f'1 of {len(content["annotations"])} annotations have no mask'
    printed = capsys.readouterr().out
    assert f'{told}, so that boxes alone' in printed
    assert f'[annotation {one["id"]}]' in printed


def test_masks_that_the_validation_lacks_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco, images = write_coco(tmp_path, masks=True)
    val = tmp_path / 'boxes.json'
    val.write_text(json.dumps(coco_content()), 'utf-8')
    data = ('--coco', coco, '--images', images, '--coco-val', val)
    assert new(tmp_path, 'detector', *data).model.type == 'FasterRCNN'
    assert f'the masks of {coco} are not used' in capsys.readouterr().out


def test_a_pretrained_encoder_learns_slower_than_its_head(
    tmp_path: Path,
) -> None:
    """From scratch all layers learn at one rate, which is lower."""
    data = Maps(*write_label_maps(tmp_path), ignore_label=11)
    out, machine = tmp_path / 'segmentor.py', Machine(2, 0, '')
    encoder = Encoder('encoder.pth', 'tiny', (0, 0, 0), (1, 1, 1))
    texts = [
        data.config(out, Setting(machine, Wishes(), weights))[out]
        for weights in (None, encoder)
    ]
    scratch, tuned = (Config.fromstring(x, '.py').optim_wrapper for x in texts)
    assert tuned.paramwise_cfg.layer_decay_rate < 1
    assert 'layer_decay_rate' not in scratch.paramwise_cfg
    assert scratch.optimizer.lr < tuned.optimizer.lr


def test_objects_that_overlap_are_kept(tmp_path: Path) -> None:
    cfg = new(tmp_path, 'detector', *write_task('detector', tmp_path))
    # 0 and 1 overlap with an IoU of 0.6, 2 repeats 0 exactly
    boxes = torch.tensor([[0, 0, 40, 40], [10, 0, 50, 40], [0, 0, 40, 40.0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    found, kept = batched_nms(
        boxes, scores, torch.zeros(3, dtype=int), cfg.model.test_cfg.rcnn.nms
    )
    assert kept.tolist() == [0, 1]
    assert 0.05 < found[1, 4] < 0.8, 'it loses score'


@pytest.mark.parametrize(
    ('objects', 'rois', 'found'),
    # COCO's measure counts a hundred, so that 30 objects want no more
    [(1, 32, 20), (30, 128, 100), (200, 128, 400)],
)
def test_boxes_looked_at_follow_from_the_fullest_picture(
    objects: int, rois: int, found: int, tmp_path: Path
) -> None:
    coco, images = write_coco(tmp_path)
    content = json.loads(coco.read_text('utf-8'))
    first = content['annotations'][0]
    content['annotations'] += [
        dict(first, id=100 + x) for x in range(objects - 1)
    ]
    coco.write_text(json.dumps(content), 'utf-8')
    cfg = new(tmp_path, 'detector', '--coco', coco, '--images', images)
    assert cfg.model.train_cfg.rcnn.sampler.num == rois
    for proposals in cfg.model.train_cfg.rpn_proposal, cfg.model.test_cfg.rpn:
        assert 5 * objects <= proposals.max_per_img <= proposals.nms_pre
    assert cfg.model.test_cfg.rcnn.max_per_img == found


@pytest.mark.parametrize(
    ('sizes', 'crop'),
    [
        ([(640, 480)], (320, 256)),
        ([(640, 480), (333, 111)], (320, 256)),
        ([(640, 480), (300, 600)], (320, 320)),
        ([(4000, 200)], (320, 32)),
        ([(640, 65)], (320, 64)),
    ],
)
def test_a_crop_holds_every_picture_as_it_is_tested(
    sizes: list[tuple[int, int]], crop: tuple[int, int]
) -> None:
    """No batch is larger than the pictures: a third is saved at 4 to 3."""
    images = [dict(width=width, height=height) for width, height in sizes]
    coco = CocoSet(Path('x.json'), Path(), CocoContent(images, [], []))
    assert coco.extent(320, 32) == crop


def test_the_crop_is_no_narrower_than_the_picture(tmp_path: Path) -> None:
    out = tmp_path / 'detector.py'
    options = [*write_task('detector', tmp_path), '--img-size', 128]
    assert (
        main(['new', 'detector', *map(str, options), '--out', str(out)]) == 0
    )
    steps = Config.fromfile(out).train_dataloader.dataset.pipeline
    crop = next(x for x in steps if x.type == 'RandomCrop').to_dict()
    del crop['type']
    picture = np.zeros((192, 256, 3), np.uint8)  # twice as it is tested
    cut = RandomCrop(**crop)(dict(img=picture, img_shape=(192, 256)))
    assert cut['img_shape'] == (96, 128)


def test_held_out_pictures_are_not_trained_on(tmp_path: Path) -> None:
    cfg = new(tmp_path, 'detector', *write_task('detector', tmp_path))
    names = []
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        content = json.loads(Path(loader.dataset.ann_file).read_text('utf-8'))
        names.append({x['file_name'] for x in content['images']})
        used = {x['category_id'] for x in content['annotations']}
        assert len(used) == 2, 'a class got lost'
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 6


def test_statistics_are_those_of_the_pictures(tmp_path: Path) -> None:
    folder = tmp_path / 'pictures'
    folder.mkdir()
    pixels = np.zeros((48, 64, 3), np.uint8) + np.array([200, 100, 50], 'u1')
    Image.fromarray(pixels).save(folder / 'a.png')
    cfg = new(tmp_path, 'encoder', '--pictures', folder)
    assert cfg.model.data_preprocessor.mean == [200, 100, 50]


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    """And a mean of one over the pixels, of which three and a bit are 0."""
    cfg = new(tmp_path, 'segmentor', *write_task('segmentor', tmp_path))
    loss = MODELS.build(cfg.model.decode_head.loss_decode)
    logits = torch.zeros(1, 3, 44, 64)
    label = torch.zeros(1, 44, 64, dtype=int)
    label[:, 8:32, 16:32], label[:, 8:32, 32:48] = 1, 2
    pixels = loss(logits, label, ignore_index=11)
    assert pixels.mean().item() == pytest.approx(np.log(3), rel=1e-2)
    weights = [pixels[label == x].mean().item() for x in range(3)]
    assert weights[1] == weights[2] > 1.5 * weights[0]
    label[:, :8] = 11  # beside weights, too, it teaches nothing
    assert loss(logits, label, ignore_index=11)[:, :8].count_nonzero() == 0


@pytest.mark.parametrize(
    ('shares', 'power'),
    [((0.4, 0.3, 0.2, 0.1), 0.5), ((0.86, *10 * [0.014]), 0.14), ((1,), 0)],
)
def test_rare_classes_weigh_less_beside_a_background(
    shares: tuple[float, ...], power: float
) -> None:
    weights = class_weights(shares)
    assert weights[-1] / weights[0] == pytest.approx(
        (shares[0] / shares[-1]) ** power, rel=1e-2
    )
    assert np.dot(weights, shares) == pytest.approx(1, rel=1e-3)


def test_labels_that_count_from_one(tmp_path: Path) -> None:
    images, labels = write_label_maps(tmp_path)
    for file in labels.iterdir():
        values = np.asarray(Image.open(file)).copy()
        values[values == 11] = 0
        Image.fromarray(values).save(file)
    cfg = new(
        tmp_path,
        'segmentor',
        *('--images', images, '--labels', labels, '--first-label', 1),
        *('--classes', 'cat', 'dog'),
    )
    assert tuple(cfg.classes) == ('cat', 'dog')
    assert cfg.train_dataloader.dataset.reduce_zero_label
    assert cfg.ignored == 255


def rename_category(content: dict) -> None:
    content['categories'][1]['name'] = content['categories'][0]['name']


def lose_category(content: dict) -> None:
    del content['categories'][1]


def lose_picture(content: dict) -> None:
    content['images'][0]['file_name'] = 'gone.png'


def lose_size(content: dict) -> None:
    content['images'].append(
        dict(id=9, file_name='0.png', width=float('nan'), height=0)
    )


@pytest.mark.parametrize(
    ('damage', 'said'),
    [
        (lose_size, '0.png: nan x 0'),
        (rename_category, '[dog]'),
        (lose_category, 'category_id 3'),
        (lose_picture, 'gone.png'),
    ],
)
def test_faults_of_a_file_are_told_in_one_line(
    damage, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    coco, images = write_coco(tmp_path)
    content = coco_content()
    damage(content)
    coco.write_text(json.dumps(content), 'utf-8')
    out = tmp_path / 'detector.py'
    options = ['--coco', coco, '--images', images, '--out', out]
    assert main(['new', 'detector', *map(str, options)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
    assert not out.exists()


def test_masks_of_0_and_255_teach_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images, labels = write_label_maps(tmp_path)
    for file in labels.iterdir():
        values = np.asarray(Image.open(file)) == 1
        Image.fromarray(values.astype(np.uint8) * 255).save(file)
    out = tmp_path / 'segmentor.py'
    options = ['--images', images, '--labels', labels, '--out', out]
    assert main(['new', 'segmentor', *map(str, options)]) == 1
    assert '0 is the only label beside 255' in capsys.readouterr().err
    assert not out.exists()


def test_pictures_with_an_ending_of_their_own(tmp_path: Path) -> None:
    """As in Cityscapes; each map belongs to its picture."""
    images, labels = write_label_maps(tmp_path)
    for file in images.iterdir():
        file.rename(file.with_stem(f'{file.stem}_leftImg8bit'))
    cfg = new(
        tmp_path,
        'segmentor',
        *('--images', images, '--labels', labels, '--ignore-label', 11),
    )
    dataset = cfg.train_dataloader.dataset
    assert dataset.img_suffix == '_leftImg8bit.png'
    assert dataset.seg_map_suffix == '_L.png'


def test_labels_from_one_are_told_from_too_many(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images, labels = write_label_maps(tmp_path)
    for file in labels.iterdir():
        Image.fromarray(np.asarray(Image.open(file)) % 11 + 1).save(file)
    options = ['--images', images, '--labels', labels, '--classes', *'abc']
    out = ['--out', tmp_path / 'segmentor.py']
    command = [str(x) for x in ['new', 'segmentor', *options]]
    assert main([*command, *map(str, out)]) == 1
    assert 'or --first-label 1' in capsys.readouterr().err


@pytest.mark.parametrize(('batch', 'norm'), [(1, 'GN'), (2, 'BN')])
def test_a_batch_of_one_has_no_batch_norm(
    batch: int, norm: str, tmp_path: Path
) -> None:
    out = tmp_path / 'segmentor.py'
    options = [*write_task('segmentor', tmp_path), '--batch-size', batch]
    command = ['new', 'segmentor', *options, '--out', out]
    assert main([str(x) for x in command]) == 0
    assert Config.fromfile(out).model.decode_head.norm_cfg.type == norm


def test_label_out_of_range(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images, labels = write_label_maps(tmp_path)
    options = ['--images', images, '--labels', labels]
    options += ['--classes', 'a', 'b', 'c', '--out', tmp_path / 'x.py']
    assert main(['new', 'segmentor', *map(str, options)]) == 1
    assert '--ignore-label 11' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [('fpu avx2', False), ('fpu amx_bf16', True), ('avx512_bf16', True)],
)
def test_bf16_is_for_cpus_that_have_it(
    flags: str, expected: bool, tmp_path: Path
) -> None:
    file = tmp_path / 'cpuinfo'
    file.write_text(f'processor\t: 0\nflags\t\t: {flags}\n')
    assert cpu_has_bf16(file) is expected


@pytest.mark.parametrize('option', ['--iters', '--validations', '--img-size'])
def test_numbers_are_at_least_one(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ['new', 'encoder', '--pictures', str(tmp_path), option, '0']
    assert main(command) == 1
    assert f'{option} 0 must be' in capsys.readouterr().err
