"""Data that would spoil a training are refused, or told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_sets import (
    coco_content,
    write_class_folders,
    write_coco,
    write_label_maps,
    write_pictures,
)
from PIL import Image

from convmae_mm.cli import main
from convmae_mm.data_check import (
    DetectionSet,
    Examiner,
    Report,
    SegmentationSet,
    check_data,
)
from convmae_mm.errors import ConfigError, DataError
from convmae_mm.own_data.configs import Wishes
from convmae_mm.own_data.data import Boxes, ClassFolders, Data, Maps, Pictures
from convmae_mm.own_data.new import write_config
from convmae_mm.own_data.order import Run
from convmae_mm.own_data.pictures import list_pictures, look_at_pictures


def boxes(root: Path) -> Data:
    file, images = write_coco(root)
    return Boxes(file, images, file)


def maps(root: Path) -> Data:
    images, labels = write_label_maps(root)
    return Maps(images, labels, images, labels, ignore_label=11)


def folders(root: Path) -> Data:
    found = write_class_folders(root)
    return ClassFolders(found, found)


NO_VAL: dict[Callable, dict[str, None]] = {
    boxes: {'coco_val': None},
    maps: {'val_images': None, 'val_labels': None},
    folders: {'val_folders': None},
}


@pytest.mark.parametrize('make', [boxes, maps, folders])
def test_pictures_in_both_sets_are_told(
    make: Callable[[Path], Data],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path).check()
    assert 'the scores will be too good' in capsys.readouterr().out


def test_damaged_pictures_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = list_pictures(write_class_folders(tmp_path))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    look_at_pictures(files)
    assert f'read whole: cannot decode {files[0]}' in capsys.readouterr().out


def test_sizes_are_those_of_upright_pictures(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new('RGB', (48, 32)).save(tmp_path / '1.jpg', exif=exif)
    facts = look_at_pictures(list_pictures(tmp_path))
    assert facts.sizes == '32 x 48 px'


@pytest.mark.parametrize('make', [boxes, maps, folders])
def test_pictures_are_looked_at_once(
    make: Callable[[Path], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run writes a config to time it, and one to train."""
    data, seen = make(tmp_path), []
    monkeypatch.setattr(
        'convmae_mm.own_data.data.look_at_pictures',
        lambda files: seen.append(files) or look_at_pictures(files),
    )
    for name in ('timed.py', 'written.py'):
        write_config(data, tmp_path / name, Wishes())
    assert len(seen) == 1


def test_turned_pictures_are_no_reason_to_change_the_annotations(
    tmp_path: Path,
) -> None:
    """With the sides exchanged, the boxes would still lie elsewhere."""
    file, images = write_coco(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    for picture in images.iterdir():
        Image.open(picture).save(picture, exif=exif)
    with pytest.raises(DataError, match='orientation in the EXIF') as error:
        Boxes(file, images).check()
    assert 'correct width' not in str(error.value)


def test_what_is_unusual_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of data check."""
    file, images = write_coco(tmp_path)
    content = coco_content()
    content['annotations'][0]['bbox'] = [16, 12, 0, 24]
    file.write_text(json.dumps(content), encoding='utf-8')
    Boxes(file, images).check()
    assert 'a side below 1 px or no area' in capsys.readouterr().out


@pytest.mark.parametrize('labels', [(0,), (0, 255)])
def test_label_maps_of_background_alone_are_refused(
    labels: tuple[int, ...], tmp_path: Path
) -> None:
    """Whoever looks: names of classes change nothing."""
    images, folder = write_label_maps(tmp_path)
    for file in folder.iterdir():
        values = np.resize(np.array(labels, np.uint8), (48, 64))
        Image.fromarray(values).save(file)
    for classes in ((), ('sky', 'road', 'car')):
        with pytest.raises(DataError, match='0 is the only label'):
            Maps(images, folder, classes=classes).check()
    report = Report(str(tmp_path), 'own')
    part = SegmentationSet('own', images, folder, tmp_path)
    part.check(report, Examiner(progress=False))
    assert [x.code for x in report.faults] == ['label-map-255']


def test_boxes_as_shares_of_a_picture_are_refused(tmp_path: Path) -> None:
    file, images = write_coco(tmp_path)
    content = coco_content()
    for entry in content['annotations']:
        entry.update(bbox=[0.2, 0.2, 0.4, 0.4], area=0.16)
    file.write_text(json.dumps(content), encoding='utf-8')
    with pytest.raises(DataError, match='height] in pixels'):
        Boxes(file, images).check()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'ignore_label': 300}, '--ignore-label 300 must be 0 to 255'),
        ({'classes': ('a', 'a', 'b')}, "'a' more than once"),
        ({'classes': ('a', '', 'b')}, 'has an empty name'),
    ],
    ids=str,
)
def test_options_of_label_maps_that_spoil_labels(
    options: dict, message: str, tmp_path: Path
) -> None:
    images, labels = write_label_maps(tmp_path)
    with pytest.raises(ConfigError, match=message):
        Maps(images, labels, **{'ignore_label': 11, **options}).check()


def test_label_maps_in_jpeg_are_refused(tmp_path: Path) -> None:
    images, labels = write_label_maps(tmp_path)
    for file in list(labels.iterdir()):
        Image.open(file).save(file.with_suffix('.jpg'))
        file.unlink()
    with pytest.raises(DataError, match='JPEG changes labels'):
        Maps(images, labels).check()


def test_label_maps_of_another_size_are_refused(tmp_path: Path) -> None:
    images, labels = write_label_maps(tmp_path)
    for file in labels.iterdir():
        Image.open(file).resize((32, 24), Image.NEAREST).save(file)
    with pytest.raises(DataError, match=r'0_L.png \(32 x 24, .* 64 x 48'):
        Maps(images, labels, ignore_label=11).check()


def test_an_ignored_label_that_has_a_name_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = write_label_maps(tmp_path)
    names = ('sky', 'road', 'void', *'3456789', 'x', 'y')
    Maps(images, labels, classes=names, ignore_label=2).check()
    assert "--ignore-label 2 is 'void'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (('categories', 'name', ' '), r"empty name \[categories id 7: ' '\]"),
        (('images', 'width', 48), r'have another size .* annotations: 48 x'),
    ],
    ids=str,
)
def test_coco_files_that_do_not_fit(
    change: tuple[str, str, object], said: str, tmp_path: Path
) -> None:
    file, images = write_coco(tmp_path)
    content = coco_content()
    kind, key, value = change
    content[kind][0][key] = value
    file.write_text(json.dumps(content), encoding='utf-8')
    with pytest.raises(DataError, match=said):
        Boxes(file, images).check()


@pytest.mark.parametrize(
    ('train', 'val'),
    [
        ('train', 'val'),
        ('train', 'valid'),
        ('Training', 'Testing'),
        ('training_set', 'test_set'),
    ],
)
def test_splits_are_no_classes(train: str, val: str, tmp_path: Path) -> None:
    for name in (train, val):
        write_class_folders(tmp_path / name)
    said = f'--folders {tmp_path / train} --val-folders {tmp_path / val}'
    with pytest.raises(DataError, match=said):
        ClassFolders(tmp_path).check()
    report = check_data(tmp_path)
    assert list(report.facts) == [train, val]
    assert not report.num_errors
    for file in (tmp_path / train / 'cat').iterdir():
        file.rename(tmp_path / train / file.name)
    assert check_data(tmp_path, 'class-folders').num_errors


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    write_pictures(tmp_path / 'train')
    ClassFolders(tmp_path).check()


@pytest.mark.parametrize('names', [('images', 'masks'), ('images',)])
def test_pictures_beside_their_labels_are_no_classes(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        write_pictures(tmp_path / name)
    with pytest.raises(DataError, match='label maps go with --images DIR'):
        ClassFolders(tmp_path).check()
    write_class_folders(tmp_path / 'images')
    said = f'is --folders {tmp_path}/images meant'
    with pytest.raises(DataError, match=said):
        ClassFolders(tmp_path).check()


@pytest.mark.parametrize('make', [boxes, maps, folders])
def test_pictures_that_cannot_be_opened_are_refused(
    make: Callable[[Path], Data], tmp_path: Path
) -> None:
    data = make(tmp_path)
    file = next(tmp_path.glob('*/0.png'))
    file.unlink()
    file.touch()
    with pytest.raises(DataError, match=r'cannot be decoded .*0\.png'):
        data.check()


def test_label_maps_without_a_picture_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = write_label_maps(tmp_path)
    (images / '5.png').unlink()
    Maps(images, labels, ignore_label=11).check()
    assert '1 of 6 label maps have no picture' in capsys.readouterr().out


def test_a_command_that_is_told_can_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / 'my pictures')
    command = ['new', 'encoder', '--pictures', str(tmp_path / 'my pictures')]
    out = tmp_path / 'my config.py'
    assert main([*command, '--out', str(out)]) == 0
    assert shlex.split(capsys.readouterr().out)[-1] == str(out)


def test_what_is_in_no_class_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_class_folders(tmp_path)
    write_pictures(tmp_path, 2)
    (tmp_path / 'bird').mkdir()
    (tmp_path / 'bird' / '1.HEIC').touch()
    ClassFolders(tmp_path).check()
    said = capsys.readouterr().out
    assert 'hold no picture, and are left out [bird]' in said
    assert '2 pictures lie in' in said
    assert 'folder of their class, and are left out [0.png' in said
    assert 'are left out: 1 x .HEIC' in said


def test_pictures_that_cannot_be_read_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / '1.gif').touch()
    with pytest.raises(DataError, match='found 1 x .gif'):
        Pictures(tmp_path).check()
    with pytest.raises(FileNotFoundError, match='found 1 x .gif'):
        check_data(tmp_path)
    write_pictures(tmp_path, 1)
    Pictures(tmp_path).check()
    assert 'left out: 1 x .gif' in capsys.readouterr().out


def test_a_config_that_train_could_not_read_is_not_written(
    tmp_path: Path,
) -> None:
    file, images = write_coco(tmp_path)
    with pytest.raises(ConfigError, match=r'must end in \.py'):
        write_config(Boxes(file, images), tmp_path / 'a.txt', Wishes())


@pytest.mark.parametrize('make', [boxes, maps, folders])
def test_a_refused_config_leaves_the_lists_of_the_old_one(
    make: Callable[[Path], Data], tmp_path: Path
) -> None:
    out = tmp_path / 'config.py'
    data = replace(make(tmp_path), **NO_VAL[make])
    write_config(data, out, Wishes())
    before = {x: x.read_bytes() for x in tmp_path.glob('config*')}
    assert len(before) == 3
    write_config(data, out, Wishes())
    with pytest.raises(ConfigError, match='exists already and differs'):
        write_config(data, out, Wishes(seed=1))
    assert {x: x.read_bytes() for x in tmp_path.glob('config*')} == before


@pytest.mark.parametrize(
    ('out', 'said'),
    [
        ('a.txt', 'a.txt is a config and must end in .py'),
        ('folder.py', 'folder.py is a folder: name a file in it'),
        ('file/below/a.py', 'file is a file, no folder'),
    ],
)
def test_a_wrong_out_is_told_before_the_data_are_read(
    out: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / 'folder.py').mkdir()
    (tmp_path / 'file').touch()
    command = ['new', 'encoder', '--pictures', str(tmp_path / 'nowhere')]
    assert main([*command, '--out', str(tmp_path / out)]) == 1
    assert said in capsys.readouterr().err


def test_weights_that_are_nowhere_are_told_before_the_data_are_read(
    tmp_path: Path,
) -> None:
    data = Boxes(tmp_path / 'none.json', tmp_path)
    weights = str(tmp_path / 'none.pth')
    run = Run((data,), None, tmp_path / 'work', Wishes(), weights)
    with pytest.raises(FileNotFoundError, match=r'none\.pth does not exist'):
        run.check()


@pytest.mark.parametrize(
    ('command', 'said'),
    [
        (
            'new encoder --pictures FILE',
            'labels.json is a file: name a folder',
        ),
        ('run --folders FILE', 'labels.json is a file: name a folder'),
        ('run --coco FILE --images FILE', 'labels.json is a file: name a'),
        ('run --coco DIR --images DIR', 'DIR is a folder, no annotation file'),
        ('data split DIR', 'DIR is a folder, and data split takes a COCO'),
        ('data convert voc FILE', 'labels.json is a file: name a folder'),
    ],
)
def test_a_file_is_no_folder_nor_the_reverse(
    command: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, _ = write_coco(tmp_path)
    monkeypatch.chdir(tmp_path)
    places = {'FILE': str(file), 'DIR': str(tmp_path)}
    words = [places.get(word, word) for word in command.split()]
    assert main(words) == 1
    assert said.replace('DIR', str(tmp_path)) in capsys.readouterr().err


def test_a_seed_is_one_that_numpy_takes() -> None:
    with pytest.raises(ConfigError, match='--seed -1 must be 0 to'):
        Wishes(seed=-1)


@pytest.mark.parametrize('ending', ['', '_L'])
def test_label_maps_of_another_suffix_are_named(
    ending: str, tmp_path: Path
) -> None:
    """Whether or not their names end in more than a suffix."""
    images, folder = write_label_maps(tmp_path)
    for file in list(folder.iterdir()):
        file.rename(folder / file.name.replace('_L', ending))
    first = folder / f'0{ending}.png'
    Image.open(first).save(first.with_suffix('.tif'))
    first.unlink()
    report = Report(str(tmp_path), 'own')
    part = SegmentationSet('own', images, folder, tmp_path)
    part.check(report, Examiner(progress=False))
    assert [x.code for x in report.faults] == ['label-map-suffix']
    with pytest.raises(DataError, match=r'another suffix than \.png'):
        Maps(images, folder).check()


def test_a_damaged_picture_of_no_class_is_only_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_class_folders(tmp_path)
    (root / 'loose.png').write_bytes(b'nothing')
    ClassFolders(root).check()
    assert 'loose.png' in capsys.readouterr().out


def test_the_label_to_ignore_is_one_that_can_be(tmp_path: Path) -> None:
    """Not 300, which another map holds."""
    images, folder = write_label_maps(tmp_path)
    wide = np.full((48, 64), 300, np.uint16)
    Image.fromarray(wide).save(folder / '0_L.png')
    report = Report(str(tmp_path), 'own')
    SegmentationSet('own', images, folder, tmp_path, num_classes=3).check(
        report, Examiner(progress=False)
    )
    remedies = {x.code: x.remedy for x in report.faults}
    assert '--ignore-label 11,' in remedies['label-map-value']


def test_a_picture_is_listed_however_its_path_is_written(
    tmp_path: Path,
) -> None:
    file, images = write_coco(tmp_path)
    content = coco_content()
    content['images'][0]['file_name'] = './0.png'
    file.write_text(json.dumps(content), encoding='utf-8')
    report = Report(str(tmp_path), 'own')
    DetectionSet('own', file, images, tmp_path, with_masks=False).check(
        report, Examiner(progress=False)
    )
    assert not report.faults
