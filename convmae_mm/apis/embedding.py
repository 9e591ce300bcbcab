"""Vectors of pictures, and how well they tell classes apart."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from convmae_mm.datasets.load_rgb_image import UndecodableImageError
from convmae_mm.errors import ConfigError, DataError
from convmae_mm.files import writable

from .loaded_model import LoadedModel, chunked
from .progress import follow

SUFFIXES = ('.npz', '.csv', '.parquet')
NEIGHBOURS = 20
TEMPERATURE = 0.07
# Beyond so many numbers, t-SNE gains nothing and takes longer.
_TSNE_SIZE = 50


@dataclass(frozen=True)
class Embedding:
    """Pictures as vectors.

    Attributes:
        names: Of the pictures.
        vectors: (N, C), each of length one.
        failed: What is wrong with pictures that have none.
    """

    names: list[str]
    vectors: np.ndarray
    failed: list[str]

    @property
    def classes(self) -> list[str]:
        """The folder of each picture, empty where it is in none."""
        return [
            name.split('/')[0] if '/' in name else '' for name in self.names
        ]


def embed_files(
    model: LoadedModel,
    files: Sequence[tuple[str, Path]],
    batch_size: int | None = None,
) -> Embedding:
    """A vector for each file that can be decoded.

    Args:
        model: From :func:`convmae_mm.load`.
        files: Name and path of each.
        batch_size: By default that of the config.

    Raises:
        DataError: If none can be decoded.
    """
    names, vectors, failed = [], [], []
    shown = follow(files, len(files), 'embed')
    for batch in chunked(shown, batch_size or model.batch_size):
        reads = []
        for name, path in batch:
            try:
                reads.append(model.read(path))
                names.append(name)
            except UndecodableImageError as error:
                failed.append(str(error))
        if reads:
            vectors.append(model.embed_read(reads).numpy())
    if not vectors:
        raise DataError(f'none of {len(files)} pictures can be decoded')
    return Embedding(names, np.concatenate(vectors), failed)


def check_out(out: Path) -> None:
    """Refuse what could not be written, before hours of computing.

    Raises:
        ConfigError: For another kind of file, or a missing package.
        DiskError: If it cannot be written there.
    """
    writable(out)
    if out.suffix not in SUFFIXES:
        raise ConfigError(
            f'--out {out} must end in one of {", ".join(SUFFIXES)}'
        )
    if out.suffix == '.parquet':
        missing = [
            name
            for name in ('pandas', 'pyarrow')
            if importlib.util.find_spec(name) is None
        ]
        if missing:
            raise ConfigError(
                f'--out {out} needs {" and ".join(missing)}: pip install '
                f'{" ".join(missing)}, or write .npz or .csv'
            )


def save_embedding(embedding: Embedding, out: Path) -> None:
    """Write names, classes and vectors: .npz, .csv or .parquet."""
    check_out(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    names, vectors = embedding.names, embedding.vectors
    if out.suffix == '.npz':
        np.savez_compressed(
            out,
            file_name=np.array(names),
            folder=np.array(embedding.classes),
            vector=vectors,
        )
        return
    if out.suffix == '.parquet':
        import pandas

        pandas.DataFrame(
            dict(
                file_name=names,
                folder=embedding.classes,
                vector=list(vectors),
            )
        ).to_parquet(out)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    columns = [f'v{i}' for i in range(vectors.shape[1])]
    table.writerow(['file_name', 'folder', *columns])
    for name, folder, row in zip(
        names, embedding.classes, vectors, strict=True
    ):
        table.writerow([name, folder, *(f'{x:.6g}' for x in row)])
    out.write_text(text.getvalue(), encoding='utf-8')


def knn_accuracy(embedding: Embedding) -> float:
    """The share of pictures whose neighbours are of their class.

    Each picture is asked of all others: its nearest vote as in
    :class:`convmae_mm.models.selfsup.KNNClassifier`.

    Raises:
        DataError: Unless all pictures are in folders of two classes or more,
            each with two pictures.
    """
    names = sorted(set(embedding.classes))
    counts = {name: embedding.classes.count(name) for name in names}
    few = [name for name, count in counts.items() if count < 2]
    if '' in names or len(names) < 2 or few:
        raise DataError(
            '--knn needs a folder of class folders, two pictures in each; '
            + (f'too few in {few}' if few else f'found {names}')
        )
    labels = torch.tensor([names.index(x) for x in embedding.classes])
    vectors = torch.from_numpy(embedding.vectors)
    hits = 0
    k = min(NEIGHBOURS, len(labels) - 1)
    for start in range(0, len(labels), 1024):
        cosines = vectors[start : start + 1024] @ vectors.T
        rows = torch.arange(len(cosines))
        cosines[rows, rows + start] = -torch.inf  # not itself
        near, nearest = cosines.topk(k)
        votes = torch.zeros(len(cosines), len(names))
        weights = (near / TEMPERATURE).softmax(dim=1)
        votes.scatter_add_(1, labels[nearest], weights)
        found = votes.argmax(dim=1)
        hits += int((found == labels[start : start + 1024]).sum())
    return hits / len(labels)


def plot_map(embedding: Embedding, out: Path, seed: int = 0) -> None:
    """A map of the pictures, near ones side by side, coloured by folder.

    Args:
        embedding: Three pictures or more.
        out: Of the plot, in a format that matplotlib knows by its suffix.
        seed: Of t-SNE.

    Raises:
        DataError: For fewer pictures.
    """
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    number = len(embedding.names)
    if number < 3:
        raise DataError(f'--plot needs three pictures or more, not {number}')
    size = min(_TSNE_SIZE, *embedding.vectors.shape)
    short = PCA(size, random_state=seed).fit_transform(embedding.vectors)
    places = TSNE(
        perplexity=min(30.0, (number - 1) / 3), random_state=seed
    ).fit_transform(short)
    figure = Figure(figsize=(8, 7), layout='constrained')
    axes = figure.subplots()
    classes = np.array(embedding.classes)
    for name in sorted(set(classes)):
        chosen = places[classes == name]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=12, label=name or 'pictures'
        )
    if 1 < len(set(classes)) <= 30:
        axes.legend(fontsize=8, frameon=False)
    axes.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
