"""Predictions on files are those of a test, and all files are told of."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import convmae_mm
from convmae_mm import apis
from convmae_mm.cli import main
from convmae_mm.errors import ConfigError

pytestmark = pytest.mark.slow

Trained = Callable[[str], Path]


def score(truth: Path, results: list[dict], kind: str) -> float:
    """Box or mask AP by pycocotools."""
    if kind == 'bbox':  # loadRes takes the boxes of masks otherwise
        results = [dict(x) for x in results]
        for result in results:
            result.pop('segmentation', None)
    coco = COCO(str(truth))
    evaluation = COCOeval(coco, coco.loadRes(results), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def with_ids(predictions: Path, truth: Path) -> list[dict]:
    """Annotations with the numbers of another file, matched by name."""
    content = json.loads(truth.read_text())
    images = {x['file_name']: x['id'] for x in content['images']}
    classes = {x['name']: x['id'] for x in content['categories']}
    return [
        dict(
            found,
            image_id=images[found['file_name']],
            category_id=classes[found['category_name']],
        )
        for found in json.loads(predictions.read_text())['annotations']
    ]


def nearly(predictions: Path, truth: Path, target: Path) -> Path:
    """A truth near what was predicted, so that there is something to score."""
    content = json.loads(truth.read_text())
    content['annotations'] = []
    for index, found in enumerate(with_ids(predictions, truth)[::3]):
        x, y, width, height = found['bbox']
        content['annotations'].append(
            dict(found, id=index + 1, bbox=[x + index % 4, y, width, height])
        )
    target.write_text(json.dumps(content))
    return target


@pytest.mark.parametrize('kind', ['masks', 'boxes'])
def test_predictions_score_as_in_a_test(
    kind: str, trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    folder, out = trained(kind), tmp_path / 'out'
    pictures = scenes / 'images' / 'val'
    command = ['predict', str(folder), str(pictures), '--out', str(out)]
    assert main(command) == 0
    drawn = sorted(x.name for x in (out / 'pictures').iterdir())
    assert drawn == sorted(x.name for x in pictures.iterdir())
    predictions = out / 'predictions.json'
    truth = nearly(
        predictions,
        scenes / 'annotations' / 'instances_val.json',
        tmp_path / 'truth.json',
    )
    tested = apis.test(
        next(folder.glob('*.py')),
        folder / 'epoch_1.pth',
        work_dir=tmp_path / 'test',
        cfg_options={'test_evaluator.ann_file': str(truth)},
    )
    for measure in ('bbox', 'segm') if kind == 'masks' else ('bbox',):
        expected = tested[f'coco/{measure}_mAP']
        assert 0.01 < expected < 0.9
        found = with_ids(predictions, truth)
        assert score(truth, found, measure) == pytest.approx(
            expected, abs=1e-6
        )


@pytest.fixture
def detector(trained: Trained) -> convmae_mm.apis.loaded_model.LoadedModel:
    return convmae_mm.load(trained('masks'), device='cpu')


def test_pictures_come_in_many_forms(trained: Trained, scenes: Path) -> None:
    model = convmae_mm.load(trained('classifier'), device='cpu')
    file = sorted((scenes / 'images' / 'val').glob('*.jpg'))[0]
    with Image.open(file) as image:
        forms = [str(file), file, image.convert('RGB')]
        forms.append(np.asarray(forms[2]))
    samples = model.predict(forms)
    assert len(samples) == 4
    for sample in samples[1:]:
        # PIL and OpenCV decode a JPEG alike but for a grey level
        assert sample.pred_score.numpy() == pytest.approx(
            samples[0].pred_score.numpy(), abs=2e-3
        )
    for wrong in (np.zeros((0, 9, 3), np.uint8), np.zeros((9, 9, 3))):
        with pytest.raises(ConfigError, match='which is uint8 and'):
            model.predict(wrong)
    for alone in (str(file), forms[2], []):
        with pytest.raises(ConfigError, match='a list of pictures'):
            model.embed(alone)
    single = model.predict(file)
    assert single.pred_label == samples[0].pred_label
    assert set(model.classes) == {
        *('zero', 'one', 'two', 'three', 'four'),
        *('five', 'six', 'seven', 'eight', 'nine'),
    }


def test_features_do_not_depend_on_padding(
    trained: Trained, scenes: Path
) -> None:
    model = convmae_mm.load(trained('masks'), device='cpu')
    picture = np.zeros((96, 128, 3), np.uint8)
    shapes = [tuple(x.shape[1:]) for x in model.features(picture)]
    assert shapes == [(24, 32), (12, 16), (6, 8), (3, 4)]
    vectors = model.embed([picture, picture[:64]])
    assert vectors.norm(dim=1).numpy() == pytest.approx(1.0, abs=1e-5)


def test_label_maps_and_their_overlays(
    trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    pictures = scenes / 'images' / 'val'
    command = ['predict', str(trained('segmentor')), str(pictures)]
    assert main([*command, '--out', str(out)]) == 0
    model = convmae_mm.load(trained('segmentor'), device='cpu')
    for file in pictures.iterdir():
        with Image.open(out / 'label_maps' / f'{file.stem}.png') as image:
            labels = np.asarray(image)
        sample = model.predict(file)
        assert (labels == sample.pred_sem_seg.data[0].numpy()).all()
        assert (out / 'pictures' / file.name).is_file()
    content = json.loads((out / 'predictions.json').read_text())
    assert len(content['images']) == 4
    assert content['categories'][0]['name'] == 'background'
    # the whole picture is one tile: the same labels
    tiled = tmp_path / 'tiled'
    assert main([*command, '--out', str(tiled), '--tile', '128']) == 0
    for file in (out / 'label_maps').iterdir():
        same = (tiled / 'label_maps' / file.name).read_bytes()
        assert same == file.read_bytes()


def test_classes_of_pictures_as_a_table(
    trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    folder = scenes / 'classification' / 'val'
    out = tmp_path / 'out'
    command = ['predict', str(trained('classifier')), f'{folder}/*/*.jpg']
    assert main([*command, '--out', str(out), '--no-pictures']) == 0
    with (out / 'predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    files = sorted(str(x.relative_to(folder)) for x in folder.glob('*/*.jpg'))
    assert [row['file_name'] for row in rows] == files
    assert all(0 < float(row['score']) < 1 for row in rows)
    assert not (out / 'pictures').exists()


def test_damaged_pictures_are_told_and_the_rest_goes_on(
    trained: Trained,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = sorted((scenes / 'images' / 'val').glob('*.jpg'))[:2]
    folder = tmp_path / 'mixed'
    folder.mkdir()
    shutil.copy(good[0], folder / 'a.jpg')
    (folder / 'b.jpg').write_bytes(good[1].read_bytes()[:-800])
    (folder / 'c.png').write_text('no picture')
    shutil.copy(good[1], folder / 'd.jpg')
    (folder / 'notes.txt').write_text('')
    out = tmp_path / 'out'
    code = main(
        ['predict', str(trained('boxes')), str(folder), '--out', str(out)]
    )
    printed = capsys.readouterr()
    assert code == 1
    assert 'b.jpg' in printed.err
    assert 'c.png' in printed.err
    assert '2 of 4 could not be read' in printed.err
    assert '1 x .txt' in printed.out
    images = json.loads((out / 'predictions.json').read_text())['images']
    assert [x['file_name'] for x in images] == ['a.jpg', 'd.jpg']


def test_frames_of_a_video(
    trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    video = tmp_path / 'film.mp4'
    codec = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(video), codec, 10, (128, 128))
    for file in sorted((scenes / 'images' / 'val').glob('*.jpg')):
        writer.write(cv2.imread(str(file)))
    writer.release()
    out = tmp_path / 'out'
    command = ['predict', str(trained('boxes')), str(video), '--every', '2']
    assert main([*command, '--out', str(out)]) == 0
    images = json.loads((out / 'predictions.json').read_text())['images']
    names = [x['file_name'] for x in images]
    assert names == ['film.mp4#000000', 'film.mp4#000002']
    drawn = cv2.VideoCapture(str(out / 'pictures' / 'film.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_the_score_chooses_objects(
    trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    file = sorted((scenes / 'images' / 'val').glob('*.jpg'))[0]
    model = convmae_mm.load(trained('boxes'), device='cpu')
    scores = model.predict(file).pred_instances.scores.numpy()
    limit = float(np.sort(scores)[3])
    command = ['predict', str(trained('boxes')), str(file), '--no-pictures']
    command += ['--out', str(tmp_path), '--score', str(limit)]
    assert main(command) == 0
    content = json.loads((tmp_path / 'predictions.json').read_text())
    kept = [x['score'] for x in content['annotations']]
    assert kept == pytest.approx(sorted(scores[scores >= limit])[::-1])


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['missing.jpg'], 'missing.jpg does not exist'),
        (['EMPTY'], 'no picture or video in'),
        (['NOTES'], 'neither a picture nor a video'),
        (['PICTURE', '--score', '2'], '--score 2.0 must be from 0 to 1'),
        (['PICTURE', '--overlap', '0.1'], 'add --tile SIZE'),
        (['PICTURE', '--tile', '8'], 'at least 32 pixels'),
        (['PICTURE', '--tile', '64', '--overlap', '1'], 'from 0 to 0.9'),
        (['PICTURE', '--batch-size', '0'], 'must be at least 1'),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    arguments: list[str],
    said: str,
    trained: Trained,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('')
    picture = sorted((scenes / 'images' / 'val').glob('*.jpg'))[0]
    names = {
        'EMPTY': str(tmp_path / 'empty'),
        'NOTES': str(tmp_path / 'notes.txt'),
        'PICTURE': str(picture),
    }
    words = [names.get(x, x) for x in arguments]
    assert main(['predict', str(trained('boxes')), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert 'Traceback' not in error


def test_a_pretraining_predicts_nothing(
    trained: Trained, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained('pretraining')
    assert main(['predict', str(folder), str(scenes / 'images' / 'val')]) == 1
    assert 'convmae-mm reconstruct' in capsys.readouterr().err
