"""Every kind of picture becomes three channels, or is named."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from convmae_mm.data_check import Examiner, Report
from convmae_mm.data_check.pictures import measure
from convmae_mm.data_check.report import Notes
from convmae_mm.datasets import LoadRGBImage, UndecodableImageError
from convmae_mm.datasets.image_files import header_size
from convmae_mm.datasets.load_rgb_image import read_rgb

RED, HALF = (255, 0, 0), (255, 0, 0, 128)


def save(path, image: Image.Image, **options) -> str:
    image.save(path, **options)
    return str(path)


def pixel(path: str, **options) -> tuple[int, ...]:
    image = read_rgb(path, **options)
    assert image.dtype == np.uint8
    assert image.shape == (4, 6, 3)
    return tuple(int(value) for value in image[0, 0])


def test_grey_becomes_three_equal_channels(tmp_path):
    file = save(tmp_path / 'grey.png', Image.new('L', (6, 4), 77))
    assert pixel(file) == (77, 77, 77)
    file = save(tmp_path / 'bits.png', Image.new('1', (6, 4), 1))
    assert pixel(file) == (255, 255, 255)


def test_palette_is_looked_up(tmp_path):
    image = Image.new('RGB', (6, 4), (10, 20, 250)).quantize(4)
    assert image.mode == 'P'
    assert pixel(save(tmp_path / 'p.png', image)) == (10, 20, 250)


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P'])
def test_transparency_shows_the_background(tmp_path, mode):
    if mode == 'RGBA':
        image, options = Image.new('RGBA', (6, 4), (255, 0, 0, 0)), {}
    elif mode == 'LA':
        image, options = Image.new('LA', (6, 4), (90, 0)), {}
    else:
        image, options = Image.new('P', (6, 4), 0), {'transparency': 0}
    file = save(tmp_path / 'clear.png', image, **options)
    assert pixel(file) == (255, 255, 255)
    assert pixel(file, background=(1, 2, 3)) == (1, 2, 3)


def test_half_transparency_is_mixed(tmp_path):
    file = save(tmp_path / 'half.png', Image.new('RGBA', (6, 4), HALF))
    red, green, blue = pixel(file, background=(0, 0, 255))
    assert (red, green, blue) == (128, 0, 127)


def test_cmyk_is_converted(tmp_path):
    image = Image.new('CMYK', (6, 4), (0, 255, 255, 0))
    red, green, blue = pixel(save(tmp_path / 'red.jpg', image, quality=95))
    assert red > 240 and green < 20 and blue < 20


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    values = np.full((4, 6), 32768, np.uint16)
    values[3] = 65535
    file = save(tmp_path / f'deep.{suffix}', Image.fromarray(values))
    assert pixel(file) == (128, 128, 128)
    assert read_rgb(file)[3, 0, 0] == 255


@pytest.mark.parametrize(
    ('value', 'dtype', 'message'),
    [(70000, np.int32, 'outside 16 bits'), (0.5, np.float32, 'floating')],
)
def test_pixels_without_a_range_are_refused(tmp_path, value, dtype, message):
    image = Image.fromarray(np.full((4, 6), value, dtype))
    file = save(tmp_path / 'odd.tif', image)
    with pytest.raises(UndecodableImageError, match=message) as error:
        read_rgb(file)
    assert file in str(error.value)


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new('RGB', (4, 6), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    file = save(tmp_path / 'turned.jpg', image, exif=exif)
    assert read_rgb(file).shape == (4, 6, 3)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_the_header_tells_the_upright_size(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new('RGB', (4, 6), RED)
    file = save(tmp_path / f'turned.{suffix}', image, exif=exif)
    assert header_size(file) == read_rgb(file).shape[1::-1]


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('text.jpg', b'not a picture'),
        ('empty.jpg', b''),
        ('truncated.jpg', 'jpg'),
        ('truncated.png', 'png'),
        ('missing.jpg', None),
    ],
)
def test_bad_files_are_named(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, str):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
        save(path, Image.fromarray(noise.astype(np.uint8)))
        content = path.read_bytes()[: path.stat().st_size // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UndecodableImageError, match=name):
        read_rgb(str(path))


def claim(path: Path, width: int, height: int) -> Path:
    """The header of a PNG, which is all that its size is read from."""
    body = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + struct.pack('>I', 13)
        + body
        + struct.pack('>I', zlib.crc32(body))
        + struct.pack('>I', 0)
        + b'IDAT'
        + struct.pack('>I', zlib.crc32(b'IDAT'))
    )
    return path


def test_one_limit_for_all_that_read_pictures(tmp_path):
    """PIL alone stops at 179 megapixels, OpenCV at 2**30 pixels."""
    large = claim(tmp_path / 'large.png', 20000, 20000)
    assert header_size(str(large)) == (20000, 20000)
    claim(large, 1 << 15, (1 << 15) + 1)
    with pytest.raises(UndecodableImageError, match='cut it into tiles'):
        read_rgb(str(large))
    with pytest.raises(cv2.error, match='MAX_IMAGE_PIXELS'):
        cv2.imread(str(large))
    report = Report('', '')
    measure(
        tmp_path, ['large.png'], Notes(report, 'x', Examiner(progress=False))
    )
    assert 'cut it into tiles' in report.faults[0].line


def test_transform_gives_what_mm_pipelines_expect(tmp_path):
    from mmcv.transforms import LoadImageFromFile

    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    path = save(tmp_path / 'noise.png', Image.fromarray(array))
    ours = LoadRGBImage()({'img_path': path})
    theirs = LoadImageFromFile()({'img_path': path})
    assert ours.keys() == theirs.keys()
    np.testing.assert_array_equal(ours['img'], theirs['img'])
    assert ours['img_shape'] == theirs['img_shape'] == (5, 7)
    assert ours['img'].flags.c_contiguous and ours['img'].flags.writeable
    rgb = LoadRGBImage(channel_order='rgb')({'img_path': path})
    np.testing.assert_array_equal(rgb['img'], array)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'channel_order': 'gbr'}, 'gbr'),
        ({'background': (0, 0, 256)}, '256'),
        ({'background': (0, 0)}, r'\(0, 0\)'),
        ({'min_side': 0}, 'min_side=0'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LoadRGBImage(**options)


def test_transparency_differs_from_the_loader_of_mmcv(tmp_path):
    """The reason to have a loader of our own."""
    from mmcv.transforms import LoadImageFromFile

    hidden = Image.new('RGBA', (6, 4), (10, 20, 30, 0))
    path = save(tmp_path / 'hidden.png', hidden)
    theirs = LoadImageFromFile()({'img_path': path})['img']
    assert theirs[0, 0].tolist() == [30, 20, 10]
    ours = LoadRGBImage()({'img_path': path})['img']
    assert ours[0, 0].tolist() == [255, 255, 255]


def save_gradient(path, size: tuple[int, int], **options) -> str:
    """A smooth picture, which no scaling can change much."""
    width, height = size
    red, green = np.meshgrid(np.arange(width), np.arange(height))
    array = np.stack([red * 255 / width, green * 255 / height, red * 0], -1)
    return save(path, Image.fromarray(array.astype(np.uint8)), **options)


@pytest.mark.parametrize(
    ('size', 'min_side', 'shape'),
    [
        ((800, 640), None, (640, 800)),
        ((800, 640), 641, (640, 800)),
        ((800, 640), 321, (640, 800)),
        ((800, 640), 320, (320, 400)),
        ((801, 641), 320, (321, 401)),
        ((800, 640), 100, (160, 200)),
        ((800, 640), 1, (80, 100)),
    ],
)
def test_large_jpegs_can_be_decoded_smaller(tmp_path, size, min_side, shape):
    path = save_gradient(tmp_path / 'large.jpg', size, quality=95)
    results = LoadRGBImage(min_side=min_side)({'img_path': path})
    assert results['img'].shape == (*shape, 3)
    assert results['img_shape'] == results['ori_shape'] == shape
    whole = Image.fromarray(read_rgb(path))
    resized = np.asarray(whole.resize(shape[::-1], Image.Resampling.BOX))
    difference = resized[..., ::-1].astype(int) - results['img']
    assert abs(difference).mean() < 1


def test_reducing_spares_other_formats_and_keeps_the_orientation(tmp_path):
    png = save_gradient(tmp_path / 'large.png', (80, 64))
    assert read_rgb(png, min_side=8).shape == (64, 80, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save_gradient(tmp_path / 'turned.jpg', (80, 64), exif=exif)
    assert read_rgb(turned, min_side=32).shape == (40, 32, 3)


@pytest.mark.parametrize('mode', ['L', 'CMYK'])
def test_reducing_takes_every_kind_of_jpeg(tmp_path, mode):
    image = Image.new('RGB', (64, 48), (90, 90, 90)).convert(mode)
    path = save(tmp_path / 'kind.jpg', image, quality=95)
    reduced = read_rgb(path, min_side=24)
    assert reduced.shape == (24, 32, 3)
    assert abs(reduced.astype(int) - 90).max() <= 3


def test_reducing_still_finds_damage(tmp_path):
    path = tmp_path / 'cut.jpg'
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    save(path, Image.fromarray(noise.astype(np.uint8)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UndecodableImageError, match='cut'):
        read_rgb(str(path), min_side=16)
