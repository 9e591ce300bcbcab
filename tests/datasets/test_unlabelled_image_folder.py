"""Pictures are found predictably; bad ones are named, counted, replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path

import pytest
from mmengine.logging import MMLogger
from PIL import Image
from torch.utils.data import DataLoader

from convmae_mm.datasets import TooManyBadImagesError, UnlabelledImageFolder
from convmae_mm.registry import DATASETS

LOAD = [{'type': 'convmae_mm.LoadRGBImage'}]


def write_pictures(folder: Path, names: list[str]) -> None:
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (8, 8), (value, value, value)).save(path)


def paths(dataset: UnlabelledImageFolder, folder: Path) -> list[str]:
    found = [
        dataset.get_data_info(index)['img_path']
        for index in range(len(dataset))
    ]
    return [str(Path(path).relative_to(folder)) for path in found]


@pytest.fixture
def twenty(tmp_path) -> Path:
    """Twenty pictures, of which 5 and 6 are bad."""
    write_pictures(tmp_path, [f'{number:02d}.png' for number in range(20)])
    (tmp_path / '05.png').write_text('not a picture')
    (tmp_path / '06.png').write_bytes(b'')
    return tmp_path


@pytest.fixture
def warnings_of():
    """Collects what the data set logs."""
    logger = MMLogger.get_instance('test_unlabelled_image_folder')

    class Collect(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.messages: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.messages.append(record.getMessage())

    handler = Collect()
    logger.addHandler(handler)
    yield handler.messages
    logger.removeHandler(handler)


def test_folder_is_searched_recursively_in_order(tmp_path):
    write_pictures(
        tmp_path,
        ['b/2.jpg', 'b/c/1.PNG', 'a/9.jpeg', '5.png', '.hidden.png'],
    )
    write_pictures(tmp_path / '.cache', ['6.png'])
    (tmp_path / 'readme.txt').write_text('no picture')
    dataset = UnlabelledImageFolder(data_root=str(tmp_path))
    assert paths(dataset, tmp_path) == [
        '5.png',
        'a/9.jpeg',
        'b/2.jpg',
        'b/c/1.PNG',
    ]
    only_png = UnlabelledImageFolder(
        data_root=str(tmp_path), extensions=['.png']
    )
    assert paths(only_png, tmp_path) == ['5.png', 'b/c/1.PNG']
    part = UnlabelledImageFolder(
        data_root=str(tmp_path), data_prefix={'img_path': 'b'}
    )
    assert paths(part, tmp_path) == ['b/2.jpg', 'b/c/1.PNG']


def test_symbolic_links_are_followed_round_no_loop(tmp_path):
    write_pictures(tmp_path / 'store', ['1.png'])
    folder = tmp_path / 'folder'
    write_pictures(folder, ['2.png'])
    os.symlink(tmp_path / 'store', folder / 'linked')
    os.symlink(folder / '2.png', folder / '3.png')
    os.symlink(folder, folder / 'loop')
    dataset = UnlabelledImageFolder(data_root=str(folder))
    assert paths(dataset, folder) == ['2.png', '3.png', 'linked/1.png']
    by_pattern = UnlabelledImageFolder(
        data_root=str(folder), pattern='linked/**/*.png'
    )
    assert paths(by_pattern, folder) == ['linked/1.png']


def test_patterns_select_files(tmp_path):
    write_pictures(tmp_path, ['a/x/1.png', 'a/2.jpg', 'b/x/3.png', 'c/4.png'])
    dataset = UnlabelledImageFolder(
        data_root=str(tmp_path), pattern=['*/x/*', 'a/**/*.jpg', 'a/**/*']
    )
    assert paths(dataset, tmp_path) == ['a/2.jpg', 'a/x/1.png', 'b/x/3.png']
    with pytest.raises(FileNotFoundError, match=r"'d/\*\.png'"):
        UnlabelledImageFolder(
            data_root=str(tmp_path), pattern=['a/*', 'd/*.png']
        )


def test_list_file_keeps_its_order(tmp_path):
    write_pictures(tmp_path, ['pictures/1.png', 'pictures/2.png'])
    lines = 'pictures/2.png\n\n pictures/1.png \npictures/2.png\n'
    (tmp_path / 'list.txt').write_text(lines)
    wanted = ['pictures/2.png', 'pictures/1.png', 'pictures/2.png']
    relative_to_list = UnlabelledImageFolder(
        ann_file=str(tmp_path / 'list.txt')
    )
    assert paths(relative_to_list, tmp_path) == wanted
    relative_to_root = UnlabelledImageFolder(
        data_root=str(tmp_path), ann_file='list.txt'
    )
    assert paths(relative_to_root, tmp_path) == wanted
    (tmp_path / 'short.txt').write_text('1.png\n')
    relative_to_prefix = UnlabelledImageFolder(
        data_root=str(tmp_path), data_prefix='pictures', ann_file='short.txt'
    )
    assert paths(relative_to_prefix, tmp_path) == ['pictures/1.png']
    absolute = tmp_path / 'absolute.txt'
    absolute.write_text(f'{tmp_path}/pictures/1.png')
    assert len(UnlabelledImageFolder(ann_file=str(absolute), pipeline=LOAD))


def test_nothing_found_says_where_and_what(tmp_path):
    (tmp_path / 'clip.gif').write_bytes(b'')
    (tmp_path / 'notes').write_bytes(b'')
    message = rf'below {tmp_path}.*\.jpg.*1 x \.gif, 1 x no extension'
    with pytest.raises(FileNotFoundError, match=message):
        UnlabelledImageFolder(data_root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match='nowhere .*does not exist'):
        UnlabelledImageFolder(data_root='nowhere')
    with pytest.raises(FileNotFoundError, match='list of pictures .*none'):
        UnlabelledImageFolder(data_root=str(tmp_path), ann_file='none.txt')
    (tmp_path / 'empty.txt').write_text('\n')
    with pytest.raises(ValueError, match='empty.txt is empty'):
        UnlabelledImageFolder(data_root=str(tmp_path), ann_file='empty.txt')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'data_prefix': {'img': 'a'}}, "'img': 'a'"),
        ({'pattern': '*', 'ann_file': 'list.txt'}, 'exclude each other'),
        ({'max_bad_fraction': 1.5}, '1.5'),
        ({'extensions': ['jpg']}, 'begin with a dot'),
        ({'extensions': '.jpg'}, 'must be a list'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        UnlabelledImageFolder(**options)


def test_bad_files_are_named_once_and_replaced(twenty, warnings_of):
    dataset = UnlabelledImageFolder(
        data_root=str(twenty), pipeline=LOAD, max_bad_fraction=0.1
    )
    for _ in range(2):
        for index in range(20):
            sample = dataset[index]
            # The next good picture stands in for 5 and 6.
            expected = 7 if index in (5, 6) else index
            assert sample['sample_idx'] == expected
            assert sample['img'][0, 0, 0] == expected
    assert [Path(path).name for path in dataset.bad_files] == [
        '05.png',
        '06.png',
    ]
    assert len(warnings_of) == 2
    assert 'bad file 1 of 20' in warnings_of[0]
    assert '05.png' in warnings_of[0]
    assert '06.png' in warnings_of[1]


def test_last_file_is_replaced_by_the_first(tmp_path):
    write_pictures(tmp_path, ['0.png', '1.png', '2.png'])
    (tmp_path / '2.png').write_bytes(b'')
    dataset = UnlabelledImageFolder(
        data_root=str(tmp_path), pipeline=LOAD, max_bad_fraction=0.5
    )
    assert dataset[2]['sample_idx'] == 0
    assert dataset[-1]['sample_idx'] == 0
    assert dataset[-2]['sample_idx'] == 1


def test_too_many_bad_files_stop_with_the_list(twenty):
    dataset = UnlabelledImageFolder(
        data_root=str(twenty), pipeline=LOAD, max_bad_fraction=0.05
    )
    message = r'(?s)2 of 20 .*max_bad_fraction=0.05.*05\.png.*06\.png'
    with pytest.raises(TooManyBadImagesError, match=message):
        for index in range(20):
            dataset[index]


def test_all_bad_stops_even_if_all_may_be(tmp_path):
    for name in ('0.png', '1.png'):
        (tmp_path / name).write_bytes(b'')
    dataset = UnlabelledImageFolder(
        data_root=str(tmp_path), pipeline=LOAD, max_bad_fraction=1.0
    )
    with pytest.raises(TooManyBadImagesError, match='none of the 2'):
        dataset[0]


def test_verify_judges_before_training(twenty, warnings_of):
    options = {'data_root': str(twenty), 'pipeline': LOAD, 'verify': True}
    dataset = UnlabelledImageFolder(**options, max_bad_fraction=0.1)
    assert len(dataset.bad_files) == len(warnings_of) == 2
    assert dataset[5]['sample_idx'] == 7
    assert len(warnings_of) == 2
    with pytest.raises(TooManyBadImagesError, match='2 of 20'):
        UnlabelledImageFolder(**options)


def test_failures_of_the_pipeline_itself_are_raised(twenty):
    def broken(results):
        raise KeyError('a bug in a transform')

    dataset = UnlabelledImageFolder(
        data_root=str(twenty), pipeline=[*LOAD, broken]
    )
    with pytest.raises(KeyError, match='a bug in a transform'):
        dataset[0]
    assert dataset.bad_files == []


def test_works_with_the_loader_of_mmcv(twenty):
    import mmcv.transforms  # noqa: F401  registers LoadImageFromFile

    dataset = UnlabelledImageFolder(
        data_root=str(twenty),
        pipeline=[{'type': 'LoadImageFromFile'}],
        max_bad_fraction=0.1,
    )
    assert dataset[5]['sample_idx'] == 7
    assert len(dataset.bad_files) == 2


def test_subsets_count_anew(twenty):
    dataset = UnlabelledImageFolder(
        data_root=str(twenty), pipeline=LOAD, max_bad_fraction=0.5
    )
    dataset[5]
    subset = dataset.get_subset([19, 6, 0])
    assert (len(subset), subset.bad_files) == (3, [])
    assert subset[1]['img'][0, 0, 0] == 0
    assert [Path(path).name for path in subset.bad_files] == ['06.png']
    assert len(dataset.bad_files) == 2
    dataset.get_subset_(4)
    assert (len(dataset), dataset.bad_files) == (4, [])


@pytest.mark.slow
@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_workers_share_the_count(twenty, start):
    dataset = UnlabelledImageFolder(
        data_root=str(twenty),
        pipeline=LOAD,
        max_bad_fraction=0.1,
    )
    loader = DataLoader(
        dataset,
        batch_size=1,
        num_workers=2,
        multiprocessing_context=multiprocessing.get_context(start),
    )
    for _ in range(2 if start == 'fork' else 1):
        values = [int(batch['img'][0, 0, 0, 0]) for batch in loader]
        expected = [7 if i in (5, 6) else i for i in range(20)]
        assert values == expected
    # The parent knows what its workers, one bad file each, have met.
    assert len(dataset.bad_files) == 2


@pytest.mark.slow
def test_workers_stop_training_together(twenty):
    dataset = UnlabelledImageFolder(
        data_root=str(twenty),
        pipeline=LOAD,
        max_bad_fraction=0.05,
    )
    # With batches of one, 5 goes to the second worker and 6 to the first:
    # neither has seen more than the one that is permitted.
    loader = DataLoader(dataset, batch_size=1, num_workers=2)
    with pytest.raises(TooManyBadImagesError, match='2 of 20'):
        list(loader)


def test_pipeline_of_mmpretrain(twenty):
    """From the registry to a normalised batch in RGB."""
    from mmengine.dataset import default_collate
    from mmengine.registry import init_default_scope
    from mmpretrain.models import SelfSupDataPreprocessor
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    init_default_scope('mmpretrain')
    Image.new('RGB', (40, 40), (200, 100, 50)).save(twenty / '00.png')
    dataset = DATASETS.build(
        {
            'type': 'convmae_mm.UnlabelledImageFolder',
            'data_root': str(twenty),
            'max_bad_fraction': 0.1,
            'pipeline': [
                *LOAD,
                {
                    'type': 'RandomResizedCrop',
                    'scale': 32,
                    'crop_ratio_range': (0.2, 1.0),
                    'backend': 'pillow',
                    'interpolation': 'bicubic',
                },
                {'type': 'RandomFlip', 'prob': 0.5},
                {'type': 'PackInputs'},
            ],
        }
    )
    loader = DataLoader(dataset, batch_size=4, collate_fn=default_collate)
    batch = next(iter(loader))
    preprocessor = SelfSupDataPreprocessor(
        mean=[0, 0, 0], std=[1, 1, 1], to_rgb=True
    )
    inputs = preprocessor(batch)['inputs']
    assert inputs.shape == (4, 3, 32, 32)
    assert inputs[0, :, 0, 0].tolist() == [200, 100, 50]
