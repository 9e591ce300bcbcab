"""DigitScenes: right labels, no leak between splits, deterministic."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from colorsys import rgb_to_hsv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from sessions import members, wait_for

from convmae_mm.datasets.digit_scenes import (
    CLASSES,
    MANIFEST,
    generate,
    generate_digit_scenes,
)
from convmae_mm.datasets.digit_scenes.composition import (
    MIN_VISIBLE_SHARE,
    SceneStyle,
    compose_scene,
)
from convmae_mm.datasets.digit_scenes.rendering import (
    FREE_COLOUR_SHARE,
    HUE_SPREAD,
    Warp,
    render_alpha,
    sample_colour,
)
from convmae_mm.datasets.digit_scenes.sources import PHOTOS, load_sources
from convmae_mm.processes import LOCK_FILE, FolderInUseError, own_folder

SETTINGS = {
    'train': 60,
    'val': 7,
    'size': (96, 128),
    'seed': 3,
    'crops_per_scene': 2,
    'progress': False,
}


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('digit_scenes') / 'data'
    assert generate_digit_scenes(root, **SETTINGS) is True
    return root


def digest(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in sorted(root.rglob('*'))
        if file.is_file() and file.name != LOCK_FILE
    }


def load_coco(root: Path, split: str) -> COCO:
    return COCO(root / 'annotations' / f'instances_{split}.json')


def test_splits_share_neither_digits_nor_photos():
    train, val = load_sources('train'), load_sources('val')
    assert not set(train.photo_names) & set(val.photo_names)
    for digit in range(10):
        in_train = set(train.glyph_indexes[digit])
        in_val = set(val.glyph_indexes[digit])
        assert len(in_train) > 100 and len(in_val) > 40
        assert not in_train & in_val
        known = {glyph.tobytes() for glyph in train.glyphs[digit]}
        assert not known & {glyph.tobytes() for glyph in val.glyphs[digit]}
    with pytest.raises(ValueError, match="split='test'"):
        load_sources('test')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_scenes_use_only_the_material_of_their_split(root, split):
    coco = load_coco(root, split)
    sources = load_sources(split)
    photos = {image['photo'] for image in coco.dataset['images']}
    assert photos <= set(PHOTOS[split])
    assert len(photos) > 2
    for annotation in coco.dataset['annotations']:
        digit = annotation['category_id'] - 1
        assert annotation['glyph_index'] in sources.glyph_indexes[digit]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_instances_agree_with_label_maps_pixel_by_pixel(root, split):
    coco = load_coco(root, split)
    assert len(coco.imgs) == SETTINGS[split]
    assert [cat['name'] for cat in coco.loadCats(coco.getCatIds())] == list(
        CLASSES
    )
    for image_id, info in coco.imgs.items():
        stem = Path(info['file_name']).stem
        image = Image.open(root / 'images' / split / info['file_name'])
        assert (image.mode, image.size) == ('RGB', (128, 96))
        labels = np.asarray(
            Image.open(root / 'label_maps' / split / f'{stem}.png')
        )
        expected = np.ones((96, 128), np.uint8)
        covered = np.zeros((96, 128), int)
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        assert annotations
        for annotation in annotations:
            mask = coco.annToMask(annotation).astype(bool)
            expected[mask] = annotation['category_id'] + 1
            covered += mask
            assert annotation['iscrowd'] == 0
            assert annotation['area'] == mask.sum()
            rows, columns = np.nonzero(mask)
            x, y, width, height = annotation['bbox']
            assert (x, y) == (columns.min(), rows.min())
            assert width == columns.max() - columns.min() + 1
            assert height == rows.max() - rows.min() + 1
        assert covered.max() == 1
        np.testing.assert_array_equal(labels, expected)


def test_every_digit_in_a_crowded_scene_stays_legible():
    sources = load_sources('train')
    style = SceneStyle((128, 128), (12, 12), (0.4, 0.5), 0.12)
    left_out, partly_hidden = 0, 0
    for seed in range(10):
        scene = compose_scene(np.random.default_rng(seed), sources, style)
        assert len(scene.instances) > 2
        left_out += 12 - len(scene.instances)
        for instance in scene.instances:
            visible = instance.mask.sum() / instance.full_area
            assert MIN_VISIBLE_SHARE <= visible <= 1
            partly_hidden += visible < 0.95
    # In scenes this crowded digits overlap, and some find no place.
    assert left_out > 10
    assert partly_hidden > 10


def test_later_digit_hides_the_earlier_one():
    sources = load_sources('train')
    style = SceneStyle((64, 64), (2, 2), (0.6, 0.7), 0.4)
    hidden = 0
    for seed in range(30):
        alone = compose_scene(
            np.random.default_rng(seed), sources, style, (0,)
        )
        both = compose_scene(
            np.random.default_rng(seed), sources, style, (0, 1)
        )
        if len(both.instances) < 2:
            continue
        first, second = both.instances
        np.testing.assert_array_equal(
            first.mask, alone.instances[0].mask & ~second.mask
        )
        hidden += bool((alone.instances[0].mask & second.mask).any())
    assert hidden > 3


def test_digit_is_where_its_mask_is():
    """The picture differs from the bare photo inside the mask only."""
    sources = load_sources('val')
    style = SceneStyle((128, 128), (1, 1), (0.5, 0.6), 0.4)
    inside, outside = [], []
    for seed in range(10):
        bare = compose_scene(np.random.default_rng(seed), sources, style, ())
        scene = compose_scene(
            np.random.default_rng(seed), sources, style, (4,)
        )
        change = np.abs(scene.image.astype(int) - bare.image).max(-1)
        (instance,) = scene.instances
        inside.append(change[instance.mask].mean())
        outside.append(change[~instance.mask].mean())
    # Light, blur and noise differ between the two pictures, colour within.
    assert np.mean(inside) > 2.5 * np.mean(outside)


@pytest.mark.parametrize('angle', [0, 25])
def test_warp_keeps_size_orientation_and_centre(angle):
    glyph = np.zeros((8, 8), np.float32)
    glyph[:, 3:5] = 1  # a bar, 8 cells high, 2 wide
    glyph[:2, 3:8] = 1  # with an arm to the top right
    alpha = render_alpha(glyph, Warp(80, 1, angle, 0, 0.5))
    assert 0 <= alpha.min() and alpha.max() <= 1
    mask = alpha > 0.5
    if angle == 0:
        rows, columns = np.nonzero(mask)
        assert abs(rows.max() - rows.min() + 1 - 80) <= 4
        assert abs((rows.max() + rows.min() + 1) / 2 - len(mask) / 2) <= 2
        assert abs(columns.max() - columns.min() + 1 - 50) <= 4
        half = len(mask) // 2
        assert mask[:half, half:].sum() > 1.5 * mask[half:, half:].sum()
    else:
        # Counter-clockwise: the foot of the bar moves to the right.
        foot = np.nonzero(mask[-len(mask) // 3 :])[1].mean()
        assert foot > len(mask) / 2 + 5


def test_colour_hints_at_the_class():
    """Most digits have their class's hue; a known share has any."""
    background = np.full((10, 3), 0.5, np.float32)
    for digit in range(10):
        rng = np.random.default_rng(digit)
        colours = [
            sample_colour(rng, digit, background, 0.16) for _ in range(300)
        ]
        hues = np.array([rgb_to_hsv(*colour)[0] for colour in colours])
        distance = np.abs((hues - digit / 10 + 0.5) % 1 - 0.5)
        near = (distance < 3 * HUE_SPREAD).mean()
        # a free colour is near by chance in about one case of eight
        expected = 1 - FREE_COLOUR_SHARE * (1 - 6 * HUE_SPREAD)
        assert near == pytest.approx(expected, abs=0.06)


def test_classification_folders_hold_all_classes_alike(root):
    for split, total in (('train', 120), ('val', 14)):
        folder = root / 'classification' / split
        assert sorted(p.name for p in folder.iterdir()) == sorted(CLASSES)
        numbers = [len(list((folder / name).iterdir())) for name in CLASSES]
        assert sum(numbers) == total
        assert max(numbers) - min(numbers) <= 1
    one = Image.open(next((folder / 'seven').iterdir()))
    assert (one.mode, one.size) == ('RGB', (64, 64))


@pytest.mark.slow
def test_files_do_not_depend_on_the_number_of_workers(root, tmp_path):
    generate_digit_scenes(tmp_path / 'data', **SETTINGS, workers=2)
    assert digest(tmp_path / 'data') == digest(root)


def test_seed_and_index_decide_the_pictures(root, tmp_path):
    small = SETTINGS | {'train': 2, 'val': 1}
    generate_digit_scenes(tmp_path / 'same', **small)
    generate_digit_scenes(tmp_path / 'other', **small | {'seed': 4})
    same, other = digest(tmp_path / 'same'), digest(tmp_path / 'other')
    name = 'images/train/000002.jpg'
    assert same[name] == digest(root)[name] != other[name]
    assert len({same[n] for n in same if n.startswith('images/')}) == 3


def test_complete_data_set_is_left_alone(root):
    def times() -> dict[Path, int]:
        files = {*root.rglob('*')} - {root / LOCK_FILE}
        return {file: file.stat().st_mtime_ns for file in files}

    before = times()
    assert generate_digit_scenes(root, **SETTINGS) is False
    assert times() == before


def test_two_in_one_folder_are_refused(tmp_path):
    with own_folder(tmp_path):
        with pytest.raises(FolderInUseError, match='is in use by process'):
            generate_digit_scenes(tmp_path, **SETTINGS)
        assert [x.name for x in tmp_path.iterdir()] == [LOCK_FILE]


@pytest.mark.slow
def test_workers_end_with_their_killed_leader(tmp_path):
    words = ['digit-scenes', '--out', str(tmp_path / 'data'), '--train', '900']
    code = f'from convmae_mm.cli import main; main({words})'
    leader = subprocess.Popen(
        [sys.executable, '-c', code],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # the tracker of semaphores and two workers
    wait_for(lambda: len(members(leader.pid)) == 4, 'no workers')
    leader.kill()
    leader.wait()
    wait_for(lambda: not members(leader.pid), 'workers are left')
    small = SETTINGS | {'train': 2, 'val': 1}
    assert generate_digit_scenes(
        tmp_path / 'data', **small, overwrite=True, workers=1
    )


def test_other_settings_are_refused_then_replaced(tmp_path):
    small = SETTINGS | {'train': 3, 'val': 1}
    generate_digit_scenes(tmp_path, **small)
    (tmp_path / 'notes.txt').write_text('mine')
    other = small | {'train': 2, 'seed': 9}
    message = r'seed 3 \(wanted: 9\), train 3 \(wanted: 2\).*--overwrite'
    with pytest.raises(FileExistsError, match=message):
        generate_digit_scenes(tmp_path, **other)
    assert generate_digit_scenes(tmp_path, **other, overwrite=True) is True
    assert len(list((tmp_path / 'images/train').iterdir())) == 2
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest['settings']['seed'] == 9
    assert manifest['counts']['train']['scenes'] == 2
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('overwrite', [False, True])
def test_folders_of_others_are_never_replaced(tmp_path, overwrite):
    (tmp_path / 'images').mkdir()
    with pytest.raises(FileExistsError, match='already holds images'):
        generate_digit_scenes(tmp_path, **SETTINGS, overwrite=overwrite)
    found = {*tmp_path.rglob('*')} - {tmp_path / LOCK_FILE}
    assert found == {tmp_path / 'images'}


def test_interrupted_run_continues(root, tmp_path, monkeypatch):
    make_shard = generate._make_shard
    made = []

    def stop_at_second(shard):
        if made:
            raise KeyboardInterrupt
        made.append(shard)
        return make_shard(shard)

    monkeypatch.setattr(generate, '_make_shard', stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        generate_digit_scenes(tmp_path, **SETTINGS)
    assert not (tmp_path / MANIFEST).exists()
    with pytest.raises(FileExistsError, match='an unfinished DigitScenes'):
        generate_digit_scenes(tmp_path, **SETTINGS | {'seed': 5})

    def count(shard):
        made.append(shard)
        return make_shard(shard)

    monkeypatch.setattr(generate, '_make_shard', count)
    assert generate_digit_scenes(tmp_path, **SETTINGS) is True
    # 60 + 7 scenes in shards of 50: three, none of them made twice.
    assert [(s.split, s.first) for s in made] == [
        ('train', 0),
        ('train', 50),
        ('val', 0),
    ]
    assert digest(tmp_path) == digest(root)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'train': 0}, 'train=0'),
        ({'size': (16, 128)}, r'size=\(16, 128\)'),
        ({'seed': -1}, 'seed=-1'),
        ({'crop_size': 8}, 'crop_size=8'),
        ({'workers': 0}, 'workers=0'),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        generate_digit_scenes(tmp_path / 'data', **SETTINGS | wrong)
    assert not (tmp_path / 'data').exists()


def test_mmdet_reads_the_masks_exactly(root):
    from mmdet.datasets import CocoDataset

    dataset = CocoDataset(
        data_root=str(root),
        ann_file='annotations/instances_val.json',
        data_prefix={'img': 'images/val/'},
        metainfo={'classes': CLASSES},
        filter_cfg={'filter_empty_gt': True, 'min_size': 32},
        pipeline=[
            {'type': 'mmdet.LoadImageFromFile'},
            {
                'type': 'mmdet.LoadAnnotations',
                'with_bbox': True,
                'with_mask': True,
            },
        ],
    )
    assert len(dataset) == SETTINGS['val']
    for sample in dataset:
        stem = Path(sample['img_path']).stem
        labels = np.asarray(
            Image.open(root / 'label_maps' / 'val' / f'{stem}.png')
        )
        assert not sample['gt_ignore_flags'].any()
        for label, mask in zip(
            sample['gt_bboxes_labels'], sample['gt_masks'].masks, strict=True
        ):
            assert mask.any()
            assert (labels[mask.astype(bool)] == label + 2).all()
        masks = sample['gt_masks'].masks
        assert (masks.any(0) == (labels >= 2)).all()


def test_mmseg_reads_eleven_classes(root):
    from mmseg.datasets import BaseSegDataset

    dataset = BaseSegDataset(
        data_root=str(root),
        data_prefix={
            'img_path': 'images/val',
            'seg_map_path': 'label_maps/val',
        },
        img_suffix='.jpg',
        seg_map_suffix='.png',
        metainfo={'classes': ('background', *CLASSES)},
        reduce_zero_label=True,
        pipeline=[{'type': 'mmseg.LoadAnnotations'}],
    )
    assert len(dataset) == SETTINGS['val']
    seen = set()
    for sample in dataset:
        seen |= set(np.unique(sample['gt_seg_map']))
    assert seen <= set(range(11)) and 0 in seen and len(seen) > 6


def test_mmpretrain_reads_the_folders(root):
    from mmpretrain.datasets import CustomDataset

    # Without classes: it numbers the folders in the order of their names.
    dataset = CustomDataset(
        data_root=str(root), data_prefix='classification/val'
    )
    assert len(dataset) == 14
    assert list(dataset.CLASSES) == sorted(CLASSES)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        name = dataset.CLASSES[info['gt_label']]
        assert Path(info['img_path']).parent.name == name
