"""Pictures with any number of channels: loading, normalising, measuring."""

from __future__ import annotations

import json
import runpy
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from mmengine.registry import MODELS
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.datasets import (
    LoadMultiChannelImage,
    NormalizeChannels,
    TooManyBadImagesError,
    UndecodableImageError,
    UnlabelledImageFolder,
)
from convmae_mm.datasets.channel_statistics import (
    channel_statistics,
    sum_pixels,
)
from convmae_mm.datasets.load_multi_channel_image import read_channels


@pytest.fixture
def pixels() -> np.ndarray:
    """(6, 8, 5), every channel with a range of its own."""
    rng = np.random.default_rng(0)
    scale = np.array([1, 10, 100, 1000, 10000])
    return (rng.random((6, 8, 5)) * scale).astype(np.float32)


def test_every_format_gives_height_width_channels(pixels, tmp_path):
    np.save(tmp_path / 'last.npy', pixels)
    np.save(tmp_path / 'first.npy', np.moveaxis(pixels, -1, 0))
    np.save(tmp_path / 'grey.npy', pixels[..., 0])
    tifffile.imwrite(
        tmp_path / 'last.tif', pixels, photometric='minisblack',
        planarconfig='contig',
    )  # fmt: skip
    tifffile.imwrite(
        tmp_path / 'bands.tif', np.moveaxis(pixels, -1, 0),
        photometric='minisblack', planarconfig='separate',
    )  # fmt: skip
    tifffile.imwrite(
        tmp_path / 'pages.TIFF', np.moveaxis(pixels, -1, 0),
        photometric='minisblack',
    )  # fmt: skip
    for name in ('last.npy', 'last.tif', 'bands.tif', 'pages.TIFF'):
        assert np.array_equal(read_channels(str(tmp_path / name)), pixels)
    first = read_channels(str(tmp_path / 'first.npy'), channels_first=True)
    assert np.array_equal(first, pixels)
    grey = read_channels(str(tmp_path / 'grey.npy'))
    assert np.array_equal(grey, pixels[..., :1])


@pytest.mark.parametrize(
    ('mode', 'channels', 'dtype'),
    [
        *(('RGBA', 4, np.uint8), ('LA', 2, np.uint8), ('L', 1, np.uint8)),
        *(('P', 3, np.uint8), ('I;16', 1, np.uint16)),
    ],
)
def test_pictures_keep_their_channels(mode, channels, dtype, tmp_path):
    file = tmp_path / 'a.png'
    Image.new(mode, (8, 6)).save(file)
    found = read_channels(str(file))
    assert (found.shape, found.dtype) == ((6, 8, channels), dtype)


def test_what_cannot_be_read_is_named(tmp_path):
    np.save(tmp_path / 'flat.npy', np.zeros(9))
    np.save(tmp_path / 'words.npy', np.array([['a']]))
    np.save(tmp_path / 'nan.npy', np.array([[1.0, np.nan]]))
    np.save(tmp_path / 'objects.npy', np.array([[{}]], dtype=object))
    (tmp_path / 'cut.tif').write_bytes(b'II*\0')
    reasons = {
        'flat.npy': r'shape \(9,\)',
        'words.npy': 'no type of pixels',
        'nan.npy': '1 of 2 values are infinite or not numbers',
        # Loading a pickle would run code.
        'objects.npy': 'allow_pickle=False',
        'cut.tif': 'cannot decode',
        'none.npy': 'FileNotFoundError',
    }
    for name, reason in reasons.items():
        with pytest.raises(UndecodableImageError, match=reason) as caught:
            read_channels(str(tmp_path / name))
        assert name in str(caught.value)


def test_the_transform_selects_and_checks_channels(pixels, tmp_path):
    file = str(tmp_path / 'a.npy')
    np.save(file, pixels)
    load = LoadMultiChannelImage(in_channels=5, channels=[4, 0])
    results = load({'img_path': file})
    assert results['img'].dtype == np.float32
    assert results['img'].flags.c_contiguous
    assert np.array_equal(results['img'], pixels[..., [4, 0]])
    assert results['img_shape'] == results['ori_shape'] == (6, 8)
    with pytest.raises(UndecodableImageError, match='a.npy has 5 channels'):
        LoadMultiChannelImage(in_channels=4)({'img_path': file})
    with pytest.raises(ValueError, match='0 to 4'):
        LoadMultiChannelImage(in_channels=5, channels=[5])
    with pytest.raises(ValueError, match='in_channels=0'):
        LoadMultiChannelImage(in_channels=0)


def test_normalising(pixels):
    mean, std = pixels.mean((0, 1)).tolist(), pixels.std((0, 1)).tolist()
    image = NormalizeChannels(mean, std)({'img': pixels})['img']
    assert image.dtype == np.float32
    assert image.mean((0, 1)) == pytest.approx(np.zeros(5), abs=1e-5)
    assert image.std((0, 1)) == pytest.approx(np.ones(5), abs=1e-5)
    with pytest.raises(ValueError, match='one mean for each channel, not 2'):
        NormalizeChannels([0, 0], [1, 1])({'img': pixels})
    with pytest.raises(ValueError, match='a channel that is constant'):
        NormalizeChannels([0, 0], [1, 0])
    with pytest.raises(ValueError, match='one value for each channel'):
        NormalizeChannels([0, 0], [1])


def folder(root: Path, max_bad: float, **options) -> UnlabelledImageFolder:
    return UnlabelledImageFolder(
        data_root=str(root),
        extensions=['.npy'],
        max_bad_fraction=max_bad,
        pipeline=[
            dict(type='convmae_mm.LoadMultiChannelImage', in_channels=5)
        ],
        **options,
    )


@pytest.mark.parametrize('verify', [False, True])
def test_bad_arrays_are_told_from_good_ones(pixels, tmp_path, verify):
    """An array is no RGB picture, and yet not a bad file."""
    for index in range(4):
        np.save(tmp_path / f'{index}.npy', pixels)
    (tmp_path / '1.npy').write_bytes(b'')
    dataset = folder(tmp_path, 0.5, verify=verify)
    samples = [dataset[index]['sample_idx'] for index in range(4)]
    assert samples == [0, 2, 2, 3]
    assert dataset.bad_files == [str(tmp_path / '1.npy')]
    with pytest.raises(TooManyBadImagesError, match='1.npy'):
        folder(tmp_path, 0.1, verify=verify)[1]


def test_an_error_of_the_pipeline_is_not_blamed_on_the_file(pixels, tmp_path):
    np.save(tmp_path / '0.npy', pixels)
    dataset = folder(tmp_path, 1.0)

    def fail(results):
        raise RuntimeError('a defect')

    dataset.pipeline.transforms.append(fail)
    with pytest.raises(RuntimeError, match='a defect'):
        dataset[0]


def test_photos_are_summed_as_they_are():
    """As floating-point numbers, one of a phone would fill gigabytes."""
    photo = np.random.default_rng(0).integers(0, 256, (500, 400, 3), np.uint8)
    tracemalloc.start()
    found = sum_pixels(photo)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < photo.nbytes
    assert found.count == 500 * 400
    assert np.allclose(found.mean, photo.mean((0, 1)), rtol=1e-12)
    variance = found.scatter / found.count
    assert np.allclose(variance, photo.var((0, 1)), rtol=1e-12)


def test_statistics_are_those_of_all_pixels(tmp_path):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(9, 2, (n, 7, 5)) for n in (3, 8, 40)]
    files = [tmp_path / f'{len(x)}.npy' for x in arrays]
    for file, array in zip(files, arrays, strict=True):
        np.save(file, array)
    every = np.concatenate([x.reshape(-1, 5) for x in arrays])
    found = channel_statistics(files)
    assert found.mean == pytest.approx(every.mean(0))
    assert found.std == pytest.approx(every.std(0))
    assert (found.reader, found.num_images) == ('stored', 3)


def test_a_large_offset_costs_no_digits(tmp_path):
    values = 1e8 + np.arange(12, dtype=np.float64).reshape(3, 4)
    np.save(tmp_path / 'a.npy', values)
    found = channel_statistics([tmp_path / 'a.npy'])
    assert found.std == pytest.approx(np.arange(12).std())


def call(*arguments: str | Path) -> int:
    return main(['data', 'stats', *map(str, arguments)])


def test_the_reader_is_chosen_by_the_channels(tmp_path, capsys):
    for name, modes in dict(
        grey='LL', rgba=['RGBA', 'RGBA'], mixed=['RGB', 'RGBA']
    ).items():
        (tmp_path / name).mkdir()
        for index, mode in enumerate(modes):
            image = Image.new(mode, (4, 4), 100 if mode == 'L' else None)
            image.save(tmp_path / name / f'{index}.png')
    expected = dict(grey=('rgb', 3), rgba=('stored', 4), mixed=('rgb', 3))
    for name, (reader, channels) in expected.items():
        assert call(tmp_path / name, '--json') == 0
        found = json.loads(capsys.readouterr().out)
        assert (found['reader'], len(found['mean'])) == (reader, channels)
    # Transparent pixels count as white, as the training lays them.
    assert call(tmp_path / 'rgba', '--read', 'rgb', '--json') == 0
    assert json.loads(capsys.readouterr().out)['mean'] == [255] * 3


def test_the_sample_is_fixed_by_the_seed(tmp_path, capsys):
    rng = np.random.default_rng(2)
    for index in range(9):
        np.save(tmp_path / f'{index}.npy', rng.random((4, 4, 2)))
    outputs = []
    for seed in (0, 0, 1):
        assert call(tmp_path, '--sample', 3, '--seed', seed) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]
    assert outputs[0].startswith('# 3 of 9 pictures\n')
    assert call(tmp_path, '--full') == 0
    assert capsys.readouterr().out.startswith('# 9 of 9 pictures\n')


@pytest.mark.parametrize(
    'task', ['pretraining', 'classification', 'detection', 'segmentation']
)
@pytest.mark.parametrize('kind', ['rgb', 'stored'])
def test_what_is_printed_builds(task, kind, tmp_path, capsys, pixels):
    if kind == 'rgb':
        Image.new('RGB', (4, 4)).save(tmp_path / 'a.png')
        noise = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / 'b.png')
    else:
        np.save(tmp_path / 'a.npy', pixels)
    assert call(tmp_path, '--task', task) == 0
    text = capsys.readouterr().out
    config = tmp_path / 'printed.py'
    config.write_text(f'num_classes, crop_size = 3, (32, 32)\n{text}')
    printed = runpy.run_path(str(config))
    scopes = dict(detection='mmdet', segmentation='mmseg')
    # a scope: other tests of this process may have set a default one
    preprocessor = MODELS.build(
        dict(
            printed['data_preprocessor'],
            _scope_=scopes.get(task, 'mmpretrain'),
        )
    )
    assert preprocessor._enable_normalize is (kind == 'rgb')
    if kind == 'stored':
        arguments = dict(printed['normalize'])
        assert arguments.pop('type') == 'convmae_mm.NormalizeChannels'
        assert len(NormalizeChannels(**arguments).mean) == 5
        assert printed['load_image']['in_channels'] == 5
        assert 'backbone=dict(in_channels=5)' in text


def test_bad_files_are_named_and_fail(tmp_path, capsys):
    np.save(tmp_path / 'a.npy', np.zeros((2, 2, 5)))
    (tmp_path / 'b.npy').write_bytes(b'')
    assert call(tmp_path) == 1
    captured = capsys.readouterr()
    assert 'b.npy' in captured.err.replace('\n', '')
    assert captured.out.startswith('# 1 of 2 pictures')


def test_what_cannot_be_measured_is_refused(tmp_path, capsys):
    np.save(tmp_path / 'a.npy', np.zeros((2, 2, 5)))
    np.save(tmp_path / 'b.npy', np.zeros((2, 2, 4)))
    assert call(tmp_path) == 1
    assert 'b.npy has 4 channels and those' in capsys.readouterr().err
    assert call(tmp_path, '--sample', 0) == 1
    assert '--sample 0' in capsys.readouterr().err
    assert call(tmp_path / 'none') == 1
    assert 'none' in capsys.readouterr().err
