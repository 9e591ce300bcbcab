"""What a pretrained network has learned, as pictures and as vectors."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convmae_mm.apis.embedding import Embedding, knn_accuracy
from convmae_mm.cli import main
from convmae_mm.errors import DataError

Trained = Callable[[str], Path]


def test_reconstructions_show_what_was_visible(
    trained: Trained, scenes: Path, tmp_path: Path
) -> None:
    pictures = scenes / 'images' / 'val'
    command = ['reconstruct', str(trained('pretraining')), str(pictures)]
    assert main([*command, '--out', str(tmp_path / 'a')]) == 0
    files = sorted((tmp_path / 'a').iterdir())
    assert len(files) == 4
    for file in files:
        pixels = np.asarray(Image.open(file)).astype(int)
        original, _, found, pasted = np.split(pixels, 4, axis=1)
        # a quarter of the patches is seen, and pasted as it is
        same = (np.abs(original - pasted).max(axis=2) < 12).mean()
        assert 0.15 < same < 0.6
        assert (original != found).any()
    assert main([*command, '--out', str(tmp_path / 'b'), '--seed', '1']) == 0
    again = (tmp_path / 'b' / files[0].name).read_bytes()
    assert again != files[0].read_bytes()


def test_only_a_pretraining_reconstructs(
    trained: Trained, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = scenes / 'images' / 'val'
    assert main(['reconstruct', str(trained('boxes')), str(pictures)]) == 1
    assert 'only a pretraining' in capsys.readouterr().err


def test_vectors_in_each_form_with_neighbours_and_a_map(
    trained: Trained,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = scenes / 'classification' / 'train'
    command = ['embed', str(trained('pretraining')), str(folder)]
    table = tmp_path / 'vectors.csv'
    drawn = tmp_path / 'map.png'
    assert main([*command, '--out', str(table), '--plot', str(drawn)]) == 0
    packed = tmp_path / 'vectors.npz'
    assert main([*command, '--out', str(packed)]) == 0
    with np.load(packed) as content:
        vectors, names = content['vector'], content['file_name']
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row['file_name'] for row in rows] == names.tolist()
    assert float(rows[0]['v0']) == pytest.approx(vectors[0, 0], abs=1e-5)
    assert Image.open(drawn).size[0] > 100
    capsys.readouterr()
    assert main([*command, '--out', 'x.txt']) == 1
    assert 'must end in one of .npz' in capsys.readouterr().err


def test_neighbours_vote_and_never_for_themselves() -> None:
    corner = np.eye(2, dtype=np.float32)
    names = ['a/1', 'a/2', 'b/1', 'b/2']
    right = Embedding(names, corner[[0, 0, 1, 1]], [])
    assert knn_accuracy(right) == 1
    wrong = Embedding(names, corner[[0, 1, 0, 1]], [])
    assert knn_accuracy(wrong) == 0
    with pytest.raises(DataError, match='class folders'):
        knn_accuracy(Embedding(['1.jpg', '2.jpg'], corner, []))
    with pytest.raises(DataError, match=r"too few in \['b'\]"):
        knn_accuracy(Embedding(names[:3], corner[[0, 0, 1]], []))
